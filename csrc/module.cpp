// gpudl._C: the native functions, a family a file. They know NumPy arrays and plain numbers, no class of gpudl.
#include <pybind11/pybind11.h>

namespace gpudl {
void bind_parallel(pybind11::module_& m);
void bind_pool(pybind11::module_& m);
void bind_philox(pybind11::module_& m);
void bind_optim(pybind11::module_& m);
void bind_layout(pybind11::module_& m);
void bind_matmul(pybind11::module_& m);
void bind_conv(pybind11::module_& m);
void bind_pooling(pybind11::module_& m);
void bind_norm(pybind11::module_& m);
void bind_rows(pybind11::module_& m);
void bind_recurrent(pybind11::module_& m);
void bind_softmax(pybind11::module_& m);
void bind_reduce(pybind11::module_& m);
void bind_elementwise(pybind11::module_& m);
void bind_attention(pybind11::module_& m);
void bind_cuda_launch(pybind11::module_& m);
}  // namespace gpudl

PYBIND11_MODULE(_C, m) {
    m.doc() = "Native kernels, thread pool and block cache of gpudl.";
    gpudl::bind_parallel(m);
    gpudl::bind_pool(m);
    gpudl::bind_philox(m);
    gpudl::bind_optim(m);
    gpudl::bind_layout(m);
    gpudl::bind_matmul(m);
    gpudl::bind_conv(m);
    gpudl::bind_pooling(m);
    gpudl::bind_norm(m);
    gpudl::bind_rows(m);
    gpudl::bind_recurrent(m);
    gpudl::bind_softmax(m);
    gpudl::bind_reduce(m);
    gpudl::bind_elementwise(m);
    gpudl::bind_attention(m);
    gpudl::bind_cuda_launch(m);
}

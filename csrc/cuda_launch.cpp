// Launching kernels on a card: a cubin becomes a module, its functions are found once, and a launch packs its arguments
// by a signature and calls cuLaunchKernelEx.
//
// A signature has one letter for each parameter: P a pointer (an array with `.data.ptr`, an address, or None), i I 32-bit
// and q Q 64-bit integers, f float, d double, S and E a struct by value (an object with the buffer protocol).
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "cuda_driver.h"

namespace py = pybind11;

namespace gpudl {
namespace {

using namespace gpudl::cuda;

constexpr size_t MAX_PARAMETERS = 64;
constexpr size_t MAX_BYTES = 4096;  // what every card takes; structs of kernels are far smaller

struct Loaded {  // a library of kernels, unloaded with its last function
    const Driver& driver;
    Library library = nullptr;

    Loaded(const Driver& driver, const std::string& image) : driver(driver) {
        driver.check(driver.library_load(&library, image.data(), nullptr, nullptr, 0, nullptr, nullptr, 0),
                     "cuLibraryLoadData");
    }
    Loaded(const Loaded&) = delete;
    Loaded& operator=(const Loaded&) = delete;
    ~Loaded() { driver.library_unload(library); }  // at exit the driver may be gone; its error has no reader
};

// The parameters of one launch: their bytes, each aligned as CUDA's ABI wants it, and a pointer to each.
class Parameters {
   public:
    template <class T>
    void scalar(T value) {
        std::memcpy(place(sizeof(T), alignof(T)), &value, sizeof(T));
    }

    void structure(py::handle object) {
        struct View {
            Py_buffer buffer;
            explicit View(PyObject* o) {
                if (PyObject_GetBuffer(o, &buffer, PyBUF_SIMPLE) != 0) throw py::error_already_set();
            }
            ~View() { PyBuffer_Release(&buffer); }
        } view(object.ptr());
        const size_t size = static_cast<size_t>(view.buffer.len);
        // Tensor maps need 64-byte alignment, and no struct minds.
        std::memcpy(place(size, 64), view.buffer.buf, size);
    }

    void** pointers() { return pointers_.data(); }

    size_t count = 0;
    std::array<size_t, MAX_PARAMETERS> sizes{};

   private:
    void* place(size_t size, size_t alignment) {
        used_ = (used_ + alignment - 1) & ~(alignment - 1);
        if (size > MAX_BYTES - std::min(used_, MAX_BYTES)) throw py::value_error("the arguments take more than 4096 bytes");
        void* at = bytes_ + used_;
        pointers_[count] = at;
        sizes[count++] = size;
        used_ += size;
        return at;
    }

    alignas(64) unsigned char bytes_[MAX_BYTES];
    std::array<void*, MAX_PARAMETERS> pointers_;
    size_t used_ = 0;
};

DevicePointer address_of(py::handle argument) {
    static PyObject* const data = PyUnicode_InternFromString("data");
    static PyObject* const ptr = PyUnicode_InternFromString("ptr");
    if (argument.is_none()) return 0;
    if (PyLong_Check(argument.ptr())) return argument.cast<DevicePointer>();
    auto memory = py::reinterpret_steal<py::object>(PyObject_GetAttr(argument.ptr(), data));
    if (!memory) throw py::error_already_set();
    auto address = py::reinterpret_steal<py::object>(PyObject_GetAttr(memory.ptr(), ptr));
    if (!address) throw py::error_already_set();
    return address.cast<DevicePointer>();
}

class Function {
   public:
    Function(std::shared_ptr<Loaded> module, const std::string& name, std::string signature)
        : module_(std::move(module)), name_(name), signature_(std::move(signature)) {
        const Driver& driver = module_->driver;
        driver.check(driver.library_kernel(&kernel_, module_->library, name.c_str()), "cuLibraryGetKernel");
        if (signature_.size() > MAX_PARAMETERS) throw py::value_error(name + ": more than 64 parameters");
        if (driver.kernel_parameter) read_parameters();
    }

    int attribute(int which, int device) const {
        int value = 0;
        const Driver& driver = module_->driver;
        driver.check(driver.kernel_attribute(&value, which, kernel_, device), "cuKernelGetAttribute");
        return value;
    }

    void set_attribute(int which, int value, int device) const {
        const Driver& driver = module_->driver;
        driver.check(driver.kernel_set_attribute(which, value, kernel_, device), "cuKernelSetAttribute");
    }

    void launch(const py::tuple& arguments, std::array<unsigned, 3> grid, std::array<unsigned, 3> block,
                unsigned shared_bytes, uintptr_t stream, std::array<unsigned, 3> cluster, bool cooperative,
                bool programmatic) const {
        Parameters parameters;
        pack(arguments, parameters);
        LaunchAttribute attributes[3];
        LaunchConfig config{};
        std::copy(grid.begin(), grid.end(), config.grid);
        std::copy(block.begin(), block.end(), config.block);
        config.shared_bytes = shared_bytes;
        config.stream = reinterpret_cast<Stream>(stream);
        config.attributes = attributes;
        auto add = [&](LaunchAttribute::Id id) -> LaunchAttribute& {
            LaunchAttribute& a = attributes[config.n_attributes++];
            std::memset(&a, 0, sizeof a);
            a.id = id;
            a.value.flag = 1;
            return a;
        };
        if (cooperative) add(LaunchAttribute::COOPERATIVE);
        if (programmatic) add(LaunchAttribute::PROGRAMMATIC_STREAM_SERIALIZATION);
        if (cluster[0] * cluster[1] * cluster[2] != 1)
            add(LaunchAttribute::CLUSTER_DIMENSION).value.cluster = {cluster[0], cluster[1], cluster[2]};
        const Driver& driver = module_->driver;
        Result code;
        {
            // A full launch queue blocks, and what drains it may need Python.
            py::gil_scoped_release nogil;
            code = driver.launch(&config, kernel_, parameters.pointers(), nullptr);
        }
        driver.check(code, "cuLaunchKernelEx");
    }

    const std::string& name() const { return name_; }
    const std::string& signature() const { return signature_; }

   private:
    // What the compiled kernel takes. A signature that disagrees would read beyond the packed bytes.
    void read_parameters() {
        const Driver& driver = module_->driver;
        size_t offset = 0, size = 0;
        while (sizes_.size() <= MAX_PARAMETERS && driver.kernel_parameter(kernel_, sizes_.size(), &offset, &size) == SUCCESS)
            sizes_.push_back(size);
        if (sizes_.size() != signature_.size())
            throw py::value_error(name_ + " takes " + std::to_string(sizes_.size()) + " parameters, its signature \"" +
                                  signature_ + "\" names " + std::to_string(signature_.size()));
    }

    void pack(const py::tuple& arguments, Parameters& parameters) const {
        if (arguments.size() != signature_.size())
            throw py::value_error(name_ + ": " + std::to_string(arguments.size()) + " arguments for the signature \"" +
                                  signature_ + "\"");
        for (size_t i = 0; i < signature_.size(); ++i) {
            const py::handle argument = PyTuple_GET_ITEM(arguments.ptr(), i);
            try {
                pack_one(signature_[i], argument, parameters);
            } catch (const py::cast_error&) {
                throw py::type_error(name_ + ": argument " + std::to_string(i) + ", " +
                                     py::repr(argument).cast<std::string>() + ", does not fit '" + signature_[i] + "'");
            }
            if (!sizes_.empty() && parameters.sizes[i] != sizes_[i])
                throw py::value_error(name_ + ": parameter " + std::to_string(i) + " takes " + std::to_string(sizes_[i]) +
                                      " bytes, not " + std::to_string(parameters.sizes[i]));
        }
    }

    void pack_one(char letter, py::handle argument, Parameters& parameters) const {
        switch (letter) {
            case 'P': return parameters.scalar(address_of(argument));
            case 'i': return parameters.scalar(argument.cast<int32_t>());
            case 'I': return parameters.scalar(argument.cast<uint32_t>());
            case 'q': return parameters.scalar(argument.cast<int64_t>());
            case 'Q': return parameters.scalar(argument.cast<uint64_t>());
            case 'f': return parameters.scalar(static_cast<float>(argument.cast<double>()));
            case 'd': return parameters.scalar(argument.cast<double>());
            case 'S':
            case 'E': return parameters.structure(argument);
        }
        throw py::value_error(name_ + ": no letter '" + letter + "' in signatures");
    }

    std::shared_ptr<Loaded> module_;
    std::string name_, signature_;
    Kernel kernel_ = nullptr;
    std::vector<size_t> sizes_;
};

py::bytes encode_tiled(const Driver& driver, int dtype, uint64_t address, const std::vector<uint64_t>& extents,
                       const std::vector<uint64_t>& strides, const std::vector<uint32_t>& box, int swizzle) {
    const size_t rank = extents.size();
    if (rank < 1 || rank > 5 || strides.size() + 1 != rank || box.size() != rank)
        throw py::value_error("a tensor map has 1 to 5 extents, a box of as many, and a stride less");
    const std::vector<uint32_t> ones(rank, 1);
    TensorMap map;
    driver.check(driver.encode_tiled(&map, dtype, static_cast<uint32_t>(rank), reinterpret_cast<void*>(address),
                                     extents.data(), strides.data(), box.data(), ones.data(), 0, swizzle, 2, 0),
                 "cuTensorMapEncodeTiled");
    return py::bytes(reinterpret_cast<const char*>(&map), sizeof map);
}

template <class T>
std::array<T, 3> three(const py::tuple& t) {
    if (t.size() != 3) throw py::value_error("three extents are needed");
    return {t[0].cast<T>(), t[1].cast<T>(), t[2].cast<T>()};
}

}  // namespace

void bind_cuda_launch(py::module_& m) {
    static const py::handle cuda_error = py::exception<Error>(m, "CudaError", PyExc_RuntimeError).release();
    py::register_exception_translator([](std::exception_ptr p) {
        try {
            if (p) std::rethrow_exception(p);
        } catch (const Error& e) {
            py::object made = cuda_error(e.what());
            made.attr("call") = e.call;
            made.attr("code") = e.code;
            PyErr_SetObject(cuda_error.ptr(), made.ptr());
        }
    });

    py::class_<Driver>(m, "CudaDriver", "The functions of a libcuda.")
        .def_static(
            "load", [](const std::string& path) { return &load(path); }, py::arg("path") = "libcuda.so.1",
            py::return_value_policy::reference)
        .def_property_readonly("version",
                               [](const Driver& d) {
                                   int version = 0;
                                   d.check(d.driver_version(&version), "cuDriverGetVersion");
                                   return version;
                               })
        .def(
            "module", [](const Driver& d, const py::bytes& image) { return std::make_shared<Loaded>(d, image); },
            py::arg("cubin"))
        .def("tensor_map", &encode_tiled, py::kw_only(), py::arg("dtype"), py::arg("address"), py::arg("extents"),
             py::arg("strides"), py::arg("box"), py::arg("swizzle"));

    py::class_<Loaded, std::shared_ptr<Loaded>>(m, "CudaModule", "The kernels of one cubin.")
        .def(
            "function",
            [](const std::shared_ptr<Loaded>& self, const std::string& name, const std::string& signature) {
                return std::make_unique<Function>(self, name, signature);
            },
            py::arg("name"), py::arg("signature"));

    py::class_<Function>(m, "CudaFunction", "A kernel that can be launched.")
        .def_property_readonly("name", &Function::name)
        .def_property_readonly("signature", &Function::signature)
        .def(
            "attributes",
            [](const Function& f, int device) {
                py::dict out;
                out["registers"] = f.attribute(NUM_REGS, device);
                out["shared"] = f.attribute(SHARED_SIZE_BYTES, device);
                out["local"] = f.attribute(LOCAL_SIZE_BYTES, device);
                out["max_threads"] = f.attribute(MAX_THREADS_PER_BLOCK, device);
                return out;
            },
            py::arg("device"))
        .def(
            "allow_shared",
            [](const Function& f, int bytes, int device) {
                f.set_attribute(MAX_DYNAMIC_SHARED_SIZE_BYTES, bytes, device);
            },
            py::arg("bytes"), py::arg("device"))
        .def(
            "allow_large_clusters",
            [](const Function& f, int device) { f.set_attribute(NON_PORTABLE_CLUSTER_SIZE_ALLOWED, 1, device); },
            py::arg("device"))
        .def(
            "launch",
            [](const Function& f, const py::tuple& arguments, const py::tuple& grid, const py::tuple& block,
               unsigned shared, uintptr_t stream, const py::tuple& cluster, bool cooperative, bool programmatic) {
                f.launch(arguments, three<unsigned>(grid), three<unsigned>(block), shared, stream,
                         three<unsigned>(cluster), cooperative, programmatic);
            },
            py::arg("arguments"), py::arg("grid"), py::arg("block"), py::arg("shared") = 0, py::arg("stream") = 0,
            py::arg("cluster") = py::make_tuple(1, 1, 1), py::arg("cooperative") = false,
            py::arg("programmatic") = false);
}

}  // namespace gpudl

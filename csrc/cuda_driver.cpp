// Finding libcuda and its functions.
#include "cuda_driver.h"

#include <dlfcn.h>

#include <memory>

namespace gpudl::cuda {

namespace {

template <class F>
void find(void* library, F& function, const char* name, bool optional = false) {
    void* symbol = dlsym(library, name);
    if (symbol == nullptr && !optional)
        throw std::runtime_error(std::string("the CUDA driver has no ") + name + ": it is older than CUDA 12.0");
    function = reinterpret_cast<F>(symbol);
}

}  // namespace

void Driver::raise(Result code, const char* call) const {
    const char *name = nullptr, *text = nullptr;
    error_name(code, &name);
    error_string(code, &text);
    throw Error(call, code,
                std::string(call) + ": " + (name ? name : "unknown error") + " (" + std::to_string(code) + ")" +
                    (text ? std::string(": ") + text : std::string()));
}

const Driver& load(const std::string& path) {
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        const char* reason = dlerror();
        throw std::runtime_error(reason ? reason : "dlopen failed");
    }
    auto driver = std::make_unique<Driver>();
    find(library, driver->init, "cuInit");
    find(library, driver->driver_version, "cuDriverGetVersion");
    find(library, driver->error_name, "cuGetErrorName");
    find(library, driver->error_string, "cuGetErrorString");
    find(library, driver->device_get, "cuDeviceGet");
    find(library, driver->library_load, "cuLibraryLoadData");
    find(library, driver->library_unload, "cuLibraryUnload");
    find(library, driver->library_kernel, "cuLibraryGetKernel");
    find(library, driver->kernel_attribute, "cuKernelGetAttribute");
    find(library, driver->kernel_set_attribute, "cuKernelSetAttribute");
    find(library, driver->kernel_parameter, "cuKernelGetParamInfo", true);
    find(library, driver->launch, "cuLaunchKernelEx");
    find(library, driver->encode_tiled, "cuTensorMapEncodeTiled");
    driver->check(driver->init(0), "cuInit");
    // Never freed, like the library itself: kernels and their destructors outlive any owner.
    return *driver.release();
}

}  // namespace gpudl::cuda

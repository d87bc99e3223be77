// A libcuda for tests: the functions that gpudl/csrc/cuda_driver.h asks for, which check and record instead of launching.
//
// A "cubin" is text: one kernel a line, its name and the sizes of its parameters ("scale 8 8 4"). A kernel called
// `fail_<code>` launches with that error. What the last launch was given is read with fake_launch.
#include <cstdint>
#include <cstring>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct FakeKernel {
    std::string name;
    std::vector<size_t> sizes;
    std::map<int, int> attributes{{0, 1024}, {1, 256}, {3, 0}, {4, 40}};
};
struct FakeLibrary {
    std::map<std::string, FakeKernel> kernels;
};
struct Attribute {
    int id;
    char pad[4];
    unsigned value[16];
};
struct Config {
    unsigned grid[3], block[3], shared;
    void* stream;
    Attribute* attributes;
    unsigned n_attributes;
};

int libraries = 0;
std::string last;

constexpr int INVALID_VALUE = 1, NOT_FOUND = 500;

}  // namespace

extern "C" {

int cuInit(unsigned) { return 0; }
int cuDriverGetVersion(int* version) { return *version = 13000, 0; }
int cuDeviceGet(int* device, int ordinal) { return *device = ordinal, 0; }
int cuGetErrorName(int code, const char** text) {
    *text = code == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS" : code == NOT_FOUND ? "CUDA_ERROR_NOT_FOUND" : nullptr;
    return *text ? 0 : INVALID_VALUE;
}
int cuGetErrorString(int code, const char** text) {
    *text = code == 700 ? "an illegal memory access was encountered" : nullptr;
    return *text ? 0 : INVALID_VALUE;
}
int cuLibraryLoadData(void** library, const void* image, const int*, void**, unsigned, const int*, void**, unsigned) {
    auto made = new FakeLibrary;
    std::istringstream lines(static_cast<const char*>(image));
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        FakeKernel kernel;
        words >> kernel.name;
        for (size_t size; words >> size;) kernel.sizes.push_back(size);
        made->kernels[kernel.name] = kernel;
    }
    *library = made;
    return ++libraries, 0;
}
int cuLibraryUnload(void* library) {
    delete static_cast<FakeLibrary*>(library);
    return --libraries, 0;
}
int cuLibraryGetKernel(void** kernel, void* library, const char* name) {
    auto& kernels = static_cast<FakeLibrary*>(library)->kernels;
    auto found = kernels.find(name);
    if (found == kernels.end()) return NOT_FOUND;
    *kernel = &found->second;
    return 0;
}
int cuKernelGetAttribute(int* value, int which, void* kernel, int) {
    return *value = static_cast<FakeKernel*>(kernel)->attributes[which], 0;
}
int cuKernelSetAttribute(int which, int value, void* kernel, int) {
    return static_cast<FakeKernel*>(kernel)->attributes[which] = value, 0;
}
int cuKernelGetParamInfo(void* kernel, size_t i, size_t* offset, size_t* size) {
    auto& sizes = static_cast<FakeKernel*>(kernel)->sizes;
    if (i >= sizes.size()) return INVALID_VALUE;
    *offset = 0;
    *size = sizes[i];
    return 0;
}
int cuLaunchKernelEx(const Config* config, void* pointer, void** parameters, void**) {
    auto& kernel = *static_cast<FakeKernel*>(pointer);
    std::ostringstream out;
    out << kernel.name;
    for (unsigned n : config->grid) out << ' ' << n;
    for (unsigned n : config->block) out << ' ' << n;
    out << ' ' << config->shared << ' ' << reinterpret_cast<uintptr_t>(config->stream);
    for (unsigned i = 0; i < config->n_attributes; ++i) {
        const Attribute& a = config->attributes[i];
        out << " attribute " << a.id << ' ' << a.value[0] << ' ' << a.value[1] << ' ' << a.value[2];
    }
    for (size_t i = 0; i < kernel.sizes.size(); ++i) {
        auto bytes = static_cast<const unsigned char*>(parameters[i]);
        out << "\n";
        if (kernel.sizes[i] >= 64 && reinterpret_cast<uintptr_t>(bytes) % 64) return INVALID_VALUE;
        for (size_t k = 0; k < kernel.sizes[i]; ++k) out << "0123456789abcdef"[bytes[k] >> 4] << "0123456789abcdef"[bytes[k] & 15];
    }
    last = out.str();
    return kernel.name.rfind("fail_", 0) == 0 ? std::stoi(kernel.name.substr(5)) : 0;
}
int cuTensorMapEncodeTiled(uint64_t* map, int dtype, uint32_t rank, void* base, const uint64_t* extents,
                           const uint64_t* strides, const uint32_t* box, const uint32_t* steps, int interleave, int swizzle,
                           int promotion, int fill) {
    if (reinterpret_cast<uintptr_t>(map) % 64 || reinterpret_cast<uintptr_t>(base) % 16) return INVALID_VALUE;
    std::memset(map, 0, 128);
    uint64_t words[] = {uint64_t(dtype), rank, reinterpret_cast<uintptr_t>(base), extents[0], rank > 1 ? strides[0] : 0, box[0],
                        steps[0], uint64_t(swizzle), uint64_t(interleave + promotion * 10 + fill * 100)};
    std::memcpy(map, words, sizeof words);
    return 0;
}

const char* fake_launch() { return last.c_str(); }
int fake_libraries() { return libraries; }
}

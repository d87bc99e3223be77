// Findings: a sentence with the block, the thread and the source line, after which the launch is given up.
#include <dlfcn.h>

#include <cstdio>
#include <sstream>

#include "machine.h"

namespace emu {

namespace {

// The device vocabulary is a layer of its own: who reads a report looks for the line that called it.
bool of_the_vocabulary(const std::string& file) {
  static const char* const headers[] = {"/barrier.cuh", "/error.cuh", "/language.cuh", "/memory.cuh",
                                        "/mma.cuh",     "/number.cuh", "/tma.cuh",     "/wgmma.cuh"};
  if (file.find("runtime/emulator/") != std::string::npos) return true;
  for (const char* header : headers)
    if (file.find("include/gpudl" + std::string(header)) != std::string::npos) return true;
  return false;
}

// "./kernels/a/b.cu:12 (discriminator 3)" -> "kernels/a/b.cu:12"
std::string tidy(std::string line) {
  line = line.substr(0, line.find(" (discriminator"));
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.pop_back();
  if (line.rfind("./", 0) == 0) line = line.substr(2);
  size_t up;
  while ((up = line.find("/./")) != std::string::npos) line.erase(up, 2);
  return line;
}

std::string look_up(const void* pc) {
  Dl_info info;
  if (!pc || !dladdr(pc, &info) || !info.dli_fname) return "an unknown line";
  // The address after a call belongs to the next line, so ask for the byte before.
  char command[1024];
  std::snprintf(command, sizeof command, "addr2line -i -e '%s' %#lx 2>/dev/null", info.dli_fname,
                static_cast<unsigned long>(static_cast<const char*>(pc) - static_cast<const char*>(info.dli_fbase) - 1));
  std::string chain;
  if (FILE* pipe = popen(command, "r")) {
    char buffer[1024];
    while (std::fgets(buffer, sizeof buffer, pipe)) {
      std::string line = tidy(buffer);
      if (of_the_vocabulary(line) || line.find("unit.cpp:") != std::string::npos) continue;
      chain += (chain.empty() ? "" : ", inlined at ") + line;
    }
    pclose(pipe);
  }
  return chain.empty() ? "an unknown line" : chain;
}

}  // namespace

std::string Machine::line_of(const void* pc) {
  static std::unordered_map<const void*, std::string> lines;
  auto found = lines.find(pc);
  if (found == lines.end()) found = lines.emplace(pc, look_up(pc)).first;
  return found->second;
}

void Machine::fail(const char* what, const void* pc, const char* format, ...) {
  char text[1024];
  va_list given;
  va_start(given, format);
  std::vsnprintf(text, sizeof text, format, given);
  va_end(given);
  if (!failed) note(what, pc, text);
  if (thread) leave();
}

void Machine::note(const char* what, const void* pc, const char* text) {
  std::ostringstream out;
  out << what;
  if (pc) out << " at " << line_of(pc);
  if (thread) {
    const uint3 &b = emu_here.block_index, &t = emu_here.thread_index;
    out << ", block (" << b.x << ", " << b.y << ", " << b.z << ") thread (" << t.x << ", " << t.y << ", " << t.z << ")";
  }
  out << ": " << text;
  error = out.str();
  kind = what;
  failed = true;
}

}  // namespace emu

extern "C" void emu_absent_lane(const char* name, int lane) {
  emu::machine.fail("divergence", EMU_PC, "%s reads lane %d, which does not take part", name, lane);
}

// What a program that uses an installed wpack looks like: a checkpoint becomes a container and a
// checkpoint again. consumer DIRECTORY: where it may write.
#include <wpack/wpack.h>

#include <cstdio>
#include <fstream>
#include <string>

namespace {

// A safetensors file: the size of its header, the header, four bytes of data.
std::string write_checkpoint(const std::string& directory) {
  const std::string header = R"({"weight":{"dtype":"U8","shape":[2,2],"data_offsets":[0,4]}})";
  const std::string path = directory + "/consumed.safetensors";
  std::ofstream file(path, std::ios::binary);
  file.put(static_cast<char>(header.size()));
  file.write("\0\0\0\0\0\0\0", 7);
  file << header << "wxyz";
  return path;
}

wpack::Status round_trip(const std::string& directory) {
  const std::string path = directory + "/consumed.wpack";
  WPACK_ASSIGN(auto source, wpack::open_tensor_source(write_checkpoint(directory)));
  WPACK_TRY(wpack::pack(*source, path, {.replace = true}));
  WPACK_ASSIGN(const wpack::VerifyReport report, wpack::verify(path));
  if (!report.faults.empty()) return report.faults.front();

  WPACK_ASSIGN(const wpack::Container container, wpack::Container::open(path));
  WPACK_ASSIGN(const wpack::Tensor tensor, container.tensor("weight"));
  if (tensor.bytes().size() != 4 || tensor.bytes()[3] != std::byte{'z'})
    return wpack::Error(wpack::ErrorCode::kInternal, "the bytes are not those that were packed");
  WPACK_TRY(wpack::unpack(container, directory + "/back.pth", {.replace = true}));
  return {};
}

}  // namespace

int main(int, char** argv) {
  const wpack::Status status = round_trip(argv[1]);
  std::printf("wpack %s: %s\n", wpack::version().data(),
              status ? "sound" : status.error().message().c_str());
  return status ? 0 : 1;
}

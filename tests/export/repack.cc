// repack FROM TO: packs the checkpoint FROM into a container beside TO, and unpacks it as TO, a
// folder if it ends in a slash. For check_round_trip.py and check_folders.py.
#include <cstdio>
#include <string>

#include "wpack/container.h"
#include "wpack/pack.h"
#include "wpack/tensor_source.h"
#include "wpack/unpack.h"

namespace wpack {
namespace {

Status repack(const std::string& from, const std::string& to) {
  const bool folder = to.ends_with('/');
  const std::string path = to.substr(0, to.size() - (folder ? 1 : 0)) + ".wpack";
  WPACK_ASSIGN(const auto source, open_tensor_source(from));
  WPACK_TRY(pack(*source, path));
  WPACK_ASSIGN(const Container container, Container::open(path));
  WPACK_TRY(folder ? unpack_folder(container, to) : unpack(container, to));
  return {};
}

}  // namespace
}  // namespace wpack

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const auto status = wpack::repack(argv[1], argv[2]);
  if (!status) std::fprintf(stderr, "%s\n", status.error().message().c_str());
  return status ? 0 : 1;
}

#include "import/torch/torch_globals.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace wpack::import {
namespace {

using Name = std::pair<const char*, const char*>;

TEST(TorchGlobalsTest, RejectsNamesThatRunCode) {
  const Name names[] = {
      {"os", "system"},
      {"posix", "system"},
      {"nt", "popen"},
      {"os.path", "join"},
      {"subprocess", "Popen"},
      {"builtins", "eval"},
      {"builtins", "exec"},
      {"builtins", "getattr"},
      {"builtins", "__import__"},
      {"builtins", "open"},
      {"builtins", "compile"},
      {"builtins", "print"},
      {"__builtin__", "apply"},
      {"sys", "exit"},
      {"shutil", "rmtree"},
      {"importlib", "import_module"},
      {"runpy", "run_module"},
      {"pty", "spawn"},
      {"socket", "socket"},
      {"ctypes", "CDLL"},
      {"operator", "attrgetter"},
      {"_operator", "methodcaller"},
      {"functools", "partial"},
      {"webbrowser", "open"},
      {"pip._internal", "main"},
      {"torch", "load"},
      {"torch.hub", "load"},
      {"torch.jit", "load"},
      {"torch.serialization", "load"},
      {"torch.storage", "_load_from_bytes"},
      {"torch", "hub.load"},
      {"torch.fx.graph_module", "reduce_graph_module"},
      {"collections", "OrderedDict.__init__"},
      {"torch.utils", "os.system"},
      {"anything", "sys.modules"},
      {"pickle", "loads"},
      {"io", "open"},
  };
  for (const auto& [module, name] : names)
    EXPECT_EQ(classify_global(module, name).role, GlobalRole::kDangerous) << module << "." << name;
}

TEST(TorchGlobalsTest, RejectsNamesOfMoreThan17Components) {
  std::string name = "Outer";
  for (int i = 0; i < 16; ++i) name += ".Inner";
  EXPECT_EQ(classify_global("m", name).role, GlobalRole::kUnknown);
  EXPECT_EQ(classify_global("m", name + ".Inner").role, GlobalRole::kDangerous);
}

TEST(TorchGlobalsTest, ReturnsUnknownForHarmlessStrangers) {
  const Name names[] = {
      {"argparse", "Namespace"},
      {"pathlib", "PosixPath"},
      {"numpy", "ndarray"},
      {"numpy._core.multiarray", "scalar"},
      {"omegaconf.dictconfig", "DictConfig"},
      {"__main__", "Model"},
      {"builtins", "object"},
      {"oslo", "config"},
      {"system", "os"},
      {"torch.nn.modules.linear", "Linear"},
      {"Outer", "Inner.Class"},
      {"io", "BytesIO"},
      {"", ""},
      {"torch", ""},
      {"torch", "Storag"},
      {"codecsx", "encode"},
  };
  for (const auto& [module, name] : names)
    EXPECT_EQ(classify_global(module, name).role, GlobalRole::kUnknown) << module << "." << name;
}

TEST(TorchGlobalsTest, ReturnsStorageClassesWithTheirType) {
  EXPECT_EQ(classify_global("torch", "FloatStorage").role, GlobalRole::kStorageClass);
  EXPECT_EQ(classify_global("torch", "FloatStorage").dtype, DType::kF32);
  EXPECT_EQ(classify_global("torch.cuda", "HalfStorage").dtype, DType::kF16);
  EXPECT_EQ(classify_global("torch", "ComplexDoubleStorage").dtype, DType::kC128);
  EXPECT_EQ(classify_global("torch.storage", "UntypedStorage").dtype, DType::kU8);
  EXPECT_EQ(classify_global("torch.storage", "_UntypedStorage").dtype, DType::kU8);
  EXPECT_EQ(classify_global("mytorch", "FloatStorage").role, GlobalRole::kUnknown);
  EXPECT_EQ(classify_global("torch", "MysteryStorage").role, GlobalRole::kUnknown);
}

TEST(TorchGlobalsTest, ReturnsEveryTypeThatTorchNames) {
  for (const DTypeInfo& info : all_dtypes()) {
    if (info.torch_name.empty()) continue;
    const GlobalInfo global = classify_global("torch", info.torch_name);
    EXPECT_EQ(global.role, GlobalRole::kDType) << info.torch_name;
    EXPECT_EQ(global.dtype, info.dtype);
  }
}

TEST(TorchGlobalsTest, ReturnsWhatBuildsTensors) {
  EXPECT_EQ(classify_global("torch._utils", "_rebuild_tensor_v2").role,
            GlobalRole::kRebuildTensorV2);
  EXPECT_EQ(classify_global("torch.nn.parameter", "Parameter").role, GlobalRole::kTensorClass);
  EXPECT_EQ(classify_global("torch.cuda", "FloatTensor").role, GlobalRole::kTensorClass);
  EXPECT_EQ(classify_global("torch._utils", "_rebuild_sparse_tensor").role,
            GlobalRole::kUnsupportedTensor);
  EXPECT_EQ(classify_global("torch._utils", "_rebuild_of_the_future").role,
            GlobalRole::kUnsupportedTensor);
  EXPECT_EQ(classify_global("torch.serialization", "_get_layout").role, GlobalRole::kPlainData);
}

}  // namespace
}  // namespace wpack::import

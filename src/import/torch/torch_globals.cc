#include "import/torch/torch_globals.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

namespace wpack::import {
namespace {

using std::string_view;

// Modules that run code, load it, or reach the system, with everything below them.
constexpr auto kDangerousModules = std::to_array<string_view>({
    "os",
    "posix",
    "nt",
    "ntpath",
    "posixpath",
    "subprocess",
    "_posixsubprocess",
    "sys",
    "shutil",
    "importlib",
    "imp",
    "zipimport",
    "pkgutil",
    "runpy",
    "pty",
    "tty",
    "socket",
    "_socket",
    "ssl",
    "socketserver",
    "ctypes",
    "_ctypes",
    "cffi",
    "operator",
    "_operator",
    "functools",
    "_functools",
    "webbrowser",
    "code",
    "codeop",
    "pdb",
    "bdb",
    "cProfile",
    "profile",
    "_lsprof",
    "trace",
    "timeit",
    "doctest",
    "unittest",
    "inspect",
    "signal",
    "_signal",
    "resource",
    "fcntl",
    "mmap",
    "_thread",
    "multiprocessing",
    "asyncio",
    "http",
    "urllib",
    "urllib2",
    "httplib",
    "ftplib",
    "smtplib",
    "poplib",
    "imaplib",
    "telnetlib",
    "xmlrpc",
    "requests",
    "aiohttp",
    "pip",
    "setuptools",
    "distutils",
    "ensurepip",
    "venv",
    "pydoc",
    "idlelib",
    "lib2to3",
    "pickle",
    "_pickle",
    "cPickle",
    "marshal",
    "shelve",
    "dill",
    "cloudpickle",
    "joblib",
    "jsonpickle",
    "commands",
    "popen2",
    "gc",
    "atexit",
    "linecache",
    "tempfile",
    "sqlite3",
    "pexpect",
    "test",
    "_osx_support",
    "_aix_support",
    "_pyrepl",
    "IPython",
    "logging.config",
    "logging.handlers",
    "pandas.core.computation",
    "numpy.f2py",
    "numpy.testing",
    "numpy.distutils",
    "torch.hub",
    "torch.jit",
    "torch.package",
    "torch.ops",
    "torch.classes",
    "torch.compiler",
    "torch.export",
    "torch.fx",
    "torch.serialization",
    "torch.multiprocessing",
    "torch.distributed.rpc",
    "torch.distributed.elastic",
    "torch.distributed.run",
    "torch.distributed.launch",
    "torch.utils.cpp_extension",
    "torch.utils.bottleneck",
    "torch.utils.collect_env",
    "torch.utils.model_zoo",
    "torch.utils._config_module",
    "torch._dynamo",
    "torch._inductor",
});

// The few names of such modules that ordinary checkpoints hold.
constexpr auto kHarmless = std::to_array<string_view>({
    "torch.serialization._get_layout",
});

// Single functions of modules that are harmless otherwise.
constexpr auto kDangerousNames = std::to_array<string_view>({
    "torch.load",
    "torch.save",
    "torch.compile",
    "torch.storage._load_from_bytes",
    "torch.from_file",
    "types.FunctionType",
    "types.LambdaType",
    "types.CodeType",
    "types.MethodType",
    "types.ModuleType",
    "numpy.load",
    "numpy.save",
    "numpy.memmap",
    "numpy.fromfile",
    "numpy.loadtxt",
    "numpy.genfromtxt",
    "copyreg._reconstruct_function",
    "io.open",
    "io.open_code",
    "io.FileIO",
    "_io.open",
    "_io.open_code",
    "_io.FileIO",
    "codecs.open",
    "platform.popen",
    "site.main",
    "logging.FileHandler",
    "uuid._get_command_stdout",
    "pandas.eval",
    "pandas.read_pickle",
});

// Of builtins, only what is data; every other one is refused.
constexpr auto kPlainBuiltins = std::to_array<string_view>({
    "dict",
    "list",
    "tuple",
    "int",
    "long",
    "float",
    "str",
    "unicode",
    "bytes",
    "bool",
    "object",
    "slice",
    "range",
    "xrange",
    "Ellipsis",
    "NotImplemented",
});

struct NamedRole {
  string_view module;
  string_view name;
  GlobalRole role;
  string_view what = {};
};
constexpr auto kNamedRoles = std::to_array<NamedRole>({
    {"collections", "OrderedDict", GlobalRole::kDictClass},
    {"collections", "Counter", GlobalRole::kDictClass},
    {"collections", "defaultdict", GlobalRole::kDictClass},
    {"_codecs", "encode", GlobalRole::kPlainData},
    {"torch", "Size", GlobalRole::kSizeClass},
    {"torch", "device", GlobalRole::kPlainData},
    {"torch.serialization", "_get_layout", GlobalRole::kPlainData},
    {"torch", "Tensor", GlobalRole::kTensorClass},
    {"torch.nn.parameter", "Parameter", GlobalRole::kTensorClass},
    {"torch.nn.parameter", "Buffer", GlobalRole::kTensorClass},
    {"torch._utils", "_rebuild_tensor", GlobalRole::kRebuildTensor},
    {"torch._utils", "_rebuild_tensor_v2", GlobalRole::kRebuildTensorV2},
    {"torch._utils", "_rebuild_tensor_v3", GlobalRole::kRebuildTensorV3},
    {"torch._utils", "_rebuild_parameter", GlobalRole::kRebuildParameter},
    {"torch._utils", "_rebuild_parameter_with_state", GlobalRole::kRebuildParameter},
    {"torch._tensor", "_rebuild_from_type_v2", GlobalRole::kRebuildFromType},
    {"torch._tensor", "_rebuild_from_type", GlobalRole::kRebuildFromType},
    {"torch.tensor", "_rebuild_from_type", GlobalRole::kRebuildFromType},
    {"torch._utils", "_rebuild_qtensor", GlobalRole::kUnsupportedTensor, "a quantised tensor"},
    {"torch._utils", "_rebuild_sparse_tensor", GlobalRole::kUnsupportedTensor, "a sparse tensor"},
    {"torch._utils", "_rebuild_sparse_csr_tensor", GlobalRole::kUnsupportedTensor,
     "a sparse tensor"},
    {"torch._utils", "_rebuild_meta_tensor_no_storage", GlobalRole::kUnsupportedTensor,
     "a meta tensor, which has no data"},
    {"torch._utils", "_rebuild_nested_tensor", GlobalRole::kUnsupportedTensor, "a nested tensor"},
    {"torch._utils", "_rebuild_wrapper_subclass", GlobalRole::kUnsupportedTensor,
     "a tensor subclass"},
    {"torch.nn.parameter", "UninitializedParameter", GlobalRole::kUnsupportedTensor,
     "an uninitialised parameter, which has no data"},
    {"torch.nn.parameter", "UninitializedBuffer", GlobalRole::kUnsupportedTensor,
     "an uninitialised buffer, which has no data"},
});

struct StorageClass {
  string_view prefix;  // of "...Storage" and "...Tensor"
  DType dtype;
};
constexpr auto kStorageClasses = std::to_array<StorageClass>({
    {"Double", DType::kF64},     {"Float", DType::kF32},        {"Half", DType::kF16},
    {"BFloat16", DType::kBF16},  {"Long", DType::kI64},         {"Int", DType::kI32},
    {"Short", DType::kI16},      {"Char", DType::kI8},          {"Byte", DType::kU8},
    {"Bool", DType::kBool},      {"ComplexFloat", DType::kC64}, {"ComplexDouble", DType::kC128},
    {"QInt8", DType::kQI8},      {"QUInt8", DType::kQU8},       {"QInt32", DType::kQI32},
    {"QUInt4x2", DType::kQU4X2}, {"QUInt2x4", DType::kQU2X4},   {"Untyped", DType::kU8},
    {"_Untyped", DType::kU8},
});

constexpr std::size_t kMaxComponents = 16;  // of a name, behind its first

bool contains(auto& list, string_view value) {
  return std::ranges::find(list, value) != list.end();
}

// A file may refer to millions of names, each of many components.
bool is_dangerous_module(string_view component) {
  static constexpr auto kSorted = [] {
    auto modules = kDangerousModules;
    std::sort(modules.begin(), modules.end());
    return modules;
  }();
  return std::binary_search(kSorted.begin(), kSorted.end(), component);
}

// True if `path` is `module` or something inside it.
bool lies_in(string_view path, string_view module) {
  return path.starts_with(module) && (path.size() == module.size() || path[module.size()] == '.');
}

// Protocol 4 lets `name` walk through attributes ("OrderedDict.__init__.__globals__"), and a module
// that imports a dangerous one has it as an attribute. Classes are not nested so deep that a name
// of more components than are looked at is one.
bool has_dangerous_component(string_view name) {
  for (std::size_t i = 0; name.find('.') != string_view::npos; ++i) {
    if (i == kMaxComponents) return true;
    const string_view head = name.substr(0, name.find('.'));
    if (head.starts_with("__") || is_dangerous_module(head)) return true;
    name.remove_prefix(head.size() + 1);
    if (name.starts_with("__") || is_dangerous_module(name)) return true;
  }
  return false;
}

bool is_builtins(string_view module) { return module == "builtins" || module == "__builtin__"; }

bool is_dangerous(string_view module, string_view name) {
  const std::string full = std::string(module) + "." + std::string(name);
  if (contains(kHarmless, full)) return false;
  if (contains(kDangerousNames, full) || has_dangerous_component(name)) return true;
  return std::ranges::any_of(kDangerousModules,
                             [&full](string_view dangerous) { return lies_in(full, dangerous); });
}

GlobalInfo classify_builtin(string_view name) {
  if (name == "set" || name == "frozenset") return {GlobalRole::kSetClass};
  if (name == "bytearray" || name == "complex") return {GlobalRole::kPlainData};
  return {contains(kPlainBuiltins, name) ? GlobalRole::kUnknown : GlobalRole::kDangerous};
}

std::optional<GlobalInfo> classify_class(string_view module, string_view name) {
  if (!lies_in(module, "torch")) return std::nullopt;
  constexpr string_view kStorage = "Storage";
  constexpr string_view kTensor = "Tensor";
  const bool storage = name.ends_with(kStorage);
  const string_view prefix =
      name.substr(0, name.size() - std::min(name.size(), (storage ? kStorage : kTensor).size()));
  const auto* row = std::ranges::find(kStorageClasses, prefix, &StorageClass::prefix);
  if (row == kStorageClasses.end()) return std::nullopt;
  if (storage) return GlobalInfo{GlobalRole::kStorageClass, row->dtype};
  if (name.ends_with(kTensor)) return GlobalInfo{GlobalRole::kTensorClass, row->dtype};
  return std::nullopt;
}

}  // namespace

GlobalInfo classify_global(string_view module, string_view name) {
  if (is_builtins(module)) return classify_builtin(name);
  if (is_dangerous(module, name)) return {GlobalRole::kDangerous};
  for (const NamedRole& row : kNamedRoles) {
    if (row.module == module && row.name == name) return {row.role, DType::kU8, row.what};
  }
  if (module == "torch") {
    if (const DTypeInfo* dtype = find_dtype_by_torch_name(name))
      return {GlobalRole::kDType, dtype->dtype};
  }
  if (const auto info = classify_class(module, name)) return *info;
  const bool rebuilds = name.starts_with("_rebuild_");
  if (rebuilds && (module == "torch._utils" || module == "torch._tensor"))
    return {GlobalRole::kUnsupportedTensor, DType::kU8, "a tensor in an unknown way"};
  return {};
}

}  // namespace wpack::import

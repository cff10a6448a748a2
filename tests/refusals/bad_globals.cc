#include <utility>

#include "refusals/tables.h"

namespace wpack::refusals {
namespace {

using testing::PickleBuilder;

// Module and name of what runs code, loads it, or reaches what does. Beside the obvious ones: what
// scanners of pickles let through, and functions of PyTorch and NumPy that end in eval().
constexpr std::pair<const char*, const char*> kActing[] = {
    {"os", "system"},
    {"posix", "system"},
    {"nt", "popen"},
    {"os.path", "join"},
    {"subprocess", "Popen"},
    {"builtins", "eval"},
    {"builtins", "exec"},
    {"builtins", "getattr"},
    {"builtins", "setattr"},
    {"builtins", "__import__"},
    {"builtins", "open"},
    {"builtins", "compile"},
    {"builtins", "print"},
    {"builtins", "globals"},
    {"builtins", "breakpoint"},
    {"builtins", "type"},
    {"__builtin__", "apply"},
    {"__builtin__", "file"},
    {"sys", "exit"},
    {"sys", "modules"},
    {"shutil", "rmtree"},
    {"importlib", "import_module"},
    {"importlib.util", "module_from_spec"},
    {"runpy", "run_module"},
    {"pty", "spawn"},
    {"socket", "socket"},
    {"ctypes", "CDLL"},
    {"operator", "attrgetter"},
    {"operator", "itemgetter"},
    {"_operator", "methodcaller"},
    {"functools", "partial"},
    {"functools", "reduce"},
    {"webbrowser", "open"},
    {"pip", "main"},
    {"pip._internal", "main"},
    {"ensurepip", "_run_pip"},
    {"idlelib.pyshell", "ModifiedInterpreter.runcode"},
    {"idlelib.run", "Executive.runcode"},
    {"lib2to3.pgen2.pgen", "ParserGenerator.make_label"},
    {"code", "InteractiveInterpreter.runcode"},
    {"cProfile", "runctx"},
    {"profile", "Profile.runctx"},
    {"trace", "Trace.runctx"},
    {"timeit", "timeit"},
    {"doctest", "debug_script"},
    {"bdb", "Bdb.run"},
    {"asyncio.unix_events", "_UnixSubprocessTransport._start"},
    {"pydoc", "pipepager"},
    {"_pyrepl.pager", "pipe_pager"},
    {"distutils.file_util", "write_file"},
    {"uuid", "_get_command_stdout"},
    {"_osx_support", "_read_output"},
    {"_aix_support", "_read_cmd_output"},
    {"imaplib", "IMAP4_stream"},
    {"test.support.script_helper", "assert_python_ok"},
    {"linecache", "getlines"},
    {"tempfile", "mkdtemp"},
    {"sqlite3", "connect"},
    {"logging", "FileHandler"},
    {"logging.config", "dictConfig"},
    {"urllib.request", "urlopen"},
    {"http.server", "HTTPServer"},
    {"smtplib", "SMTP"},
    {"multiprocessing.util", "spawnv_passfds"},
    {"pickle", "loads"},
    {"marshal", "loads"},
    {"shelve", "open"},
    {"dill", "loads"},
    {"cloudpickle.cloudpickle", "_make_function"},
    {"joblib", "load"},
    {"types", "CodeType"},
    {"types", "FunctionType"},
    {"io", "open"},
    {"io", "FileIO"},
    {"_io", "open_code"},
    {"codecs", "open"},
    {"gc", "get_objects"},
    {"atexit", "register"},
    {"numpy.f2py.crackfortran", "getlincoef"},
    {"numpy.testing._private.utils", "runstring"},
    {"numpy", "load"},
    {"numpy", "memmap"},
    {"torch", "load"},
    {"torch.hub", "load"},
    {"torch.jit", "load"},
    {"torch.serialization", "load"},
    {"torch.storage", "_load_from_bytes"},
    {"torch.utils.collect_env", "run"},
    {"torch.utils.cpp_extension", "load_inline"},
    {"torch.utils._config_module", "ConfigModule.load_config"},
    {"torch.utils.bottleneck.__main__", "run_cprofile"},
    {"torch.fx.graph_module", "reduce_graph_module"},
    {"torch.fx.experimental.symbolic_shapes", "ShapeEnv.evaluate_guards_expression"},
    {"torch._dynamo.guards", "GuardBuilder.get"},
    {"torch._inductor.codecache", "compile_file"},
    {"torch.distributed.rpc.internal", "_run_function"},
    {"torch.package", "PackageImporter"},
    {"pandas", "read_pickle"},
    {"pandas.core.computation.eval", "eval"},
};

// Ways through attributes of harmless things.
constexpr std::pair<const char*, const char*> kChains[] = {
    {"torch", "hub.load"},
    {"torch", "serialization.load"},
    {"torch", "os.system"},
    {"torch.utils", "os.system"},
    {"torch.nn.modules.module", "functools.partial"},
    {"anything", "sys.modules"},
    {"collections", "OrderedDict.__init__"},
    {"collections", "OrderedDict.__reduce__.__globals__"},
    {"collections", "__builtins__.eval"},
    {"torch", "Tensor.__class__.__mro__"},
    {"numpy", "f2py.crackfortran.getlincoef"},
    {"_codecs", "encode.__self__.__dict__"},
};

// A tensor beside what calling the global would give, as a checkpoint with a passenger.
PickleBuilder& passenger(PickleBuilder& builder) {
  return builder.empty_dict().weight("w").key("passenger");
}

BadPickle called(std::pair<const char*, const char*> name) {
  PickleBuilder builder;
  passenger(builder).global(name.first, name.second).string("touch wpack-was-here");
  return {name.second, builder.tuple1().reduce().set_item().stop(), "which can run code"};
}

BadPickle called_by_stack(std::pair<const char*, const char*> name) {
  PickleBuilder builder(4);
  passenger(builder).stack_global(name.first, name.second).string("touch wpack-was-here");
  return {name.second, builder.tuple1().reduce().set_item().stop(), "which can run code"};
}

}  // namespace

std::vector<BadPickle> acting_pickles() {
  std::vector<BadPickle> pickles;
  for (const auto& name : kActing) pickles.push_back(called(name));
  for (const auto& name : kChains) {
    pickles.push_back(called(name));
    pickles.push_back(called_by_stack(name));
  }
  return pickles;
}

std::vector<BadPickle> tricky_pickles() {
  const auto start = [] {
    PickleBuilder builder(4);
    passenger(builder);
    return builder;
  };
  const auto object = [&] { return start().global("m", "C").empty_tuple().new_object(); };
  return {
      {"INST of a harmless class", start().mark().raw("im\nC\n").set_item().stop(), "INST"},
      {"INST of os.system", start().mark().string("id").raw("ios\nsystem\n").stop(), "INST"},
      {"OBJ", start().mark().global("m", "C").raw("o").set_item().stop(), "OBJ"},
      {"a global that nothing calls", start().global("os", "system").set_item().stop(),
       "os.system, which can run code"},
      {"a global that is dropped", start().global("os", "system").raw("0").none().stop(),
       "os.system, which can run code"},
      {"a global behind a memo",
       start().global("m", "f").put(1).raw("0").get(1).none().reduce().stop(),
       "without a tuple of arguments"},
      {"names from the memo",
       start()
           .string("os")
           .put(1)
           .string("system")
           .put(2)
           .raw("00")
           .get(1)
           .get(2)
           .byte(0x93)
           .stop(),
       "os.system, which can run code"},
      {"getattr of getattr",
       start()
           .global("builtins", "getattr")
           .global("builtins", "getattr")
           .string("__self__")
           .tuple2()
           .reduce()
           .stop(),
       "builtins.getattr, which can run code"},
      {"NEWOBJ of a function",
       start().global("os", "system").string("id").tuple1().new_object().stop(),
       "os.system, which can run code"},
      {"NEWOBJ of a list", start().empty_list().empty_tuple().new_object().stop(),
       "no global (list)"},
      {"NEWOBJ without a tuple", start().global("m", "C").empty_list().new_object().stop(),
       "without a tuple of arguments"},
      {"NEWOBJ_EX of os.system",
       start().global("os", "system").empty_tuple().empty_dict().raw("\x92").stop(),
       "os.system, which can run code"},
      {"NEWOBJ_EX with a list of keywords",
       start().global("m", "C").empty_tuple().empty_list().raw("\x92").stop(),
       "NEWOBJ_EX takes a dictionary"},
      {"BUILD of a global", start().global("m", "f").empty_dict().build().stop(),
       "builds a value that has no state (m.f)"},
      {"BUILD of a tuple", start().empty_tuple().empty_dict().build().stop(), "no state (tuple)"},
      {"BUILD of a storage", start().storage("FloatStorage", "0", 2).empty_dict().build().stop(),
       "no state (storage)"},
      {"BUILD without a state", PickleBuilder().empty_dict().build().stop(), "stack is empty"},
      {"BUILD twice", object().empty_dict().build().empty_dict().build().stop(),
       "builds an object twice"},
      {"REDUCE of an object", object().empty_tuple().reduce().stop(), "no global (m.C)"},
      {"REDUCE of a string", start().string("os.system").string("id").tuple1().reduce().stop(),
       "no global (str)"},
      {"REDUCE of a tensor class with a call inside",
       start()
           .global("torch._utils", "_rebuild_tensor_v2")
           .global("os", "system")
           .tuple1()
           .reduce()
           .stop(),
       "os.system, which can run code"},
      {"an extension code", start().raw("\x82\x01").stop(), "EXT1"},
      {"a buffer outside the pickle", start().raw("\x97").stop(), "NEXT_BUFFER"},
      {"a persistent id that is text", start().raw("Pos.system\n").stop(), "PERSID"},
      {"a persistent id of another kind",
       start()
           .mark()
           .string("module")
           .global("m", "C")
           .string("f.py")
           .string("code")
           .none()
           .tuple()
           .persistent()
           .stop(),
       "persistent id"},
      {"STACK_GLOBAL of bytes", start().bytes("os").bytes("system").byte(0x93).stop(),
       "takes two strings"},
      {"STACK_GLOBAL of one string", PickleBuilder(4).string("os").byte(0x93).stop(),
       "stack is empty"},
      {"a global of 1 MiB", start().global(std::string(1 << 20, 'm'), "f").stop(),
       "no end or is too long"},
  };
}

}  // namespace wpack::refusals

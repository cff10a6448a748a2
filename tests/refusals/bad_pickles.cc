#include <utility>

#include "refusals/tables.h"
#include "support/pickle_builder.h"

namespace wpack::refusals {

using testing::PickleBuilder;

std::vector<BadPickle> bad_pickles() {
  const auto start = [] { return PickleBuilder(); };
  std::vector<BadPickle> cases = {
      {"nothing", "", "protocols 0 and 1"},
      {"no protocol", "N.", "protocols 0 and 1"},
      {"protocol 1", PickleBuilder(1).none().stop(), "pickle protocol 1"},
      {"protocol 6", PickleBuilder(6).none().stop(), "pickle protocol 6"},
      {"protocol 255", PickleBuilder(255).none().stop(), "pickle protocol 255"},
      {"no STOP", start().none().unfinished(), "ends without STOP"},
      {"an empty stack", start().stop(), "0 values on the stack"},
      {"two values", start().none().none().stop(), "2 values on the stack"},
      {"an open mark", start().mark().none().stop(), "values on the stack"},
      {"bytes behind STOP", start().none().stop() + "x", "1 bytes follow its end"},
      {"an unknown opcode", start().raw("\xFF").stop(), "unknown opcode 0xff"},
      {"a string without end", start().raw("X").number(100, 4).raw("ab").stop(), "reaches past"},
      {"a string of 4 GiB", start().raw("X").number(0xFFFFFFFF, 4).stop(), "reaches past"},
      {"a string of 2^64", start().raw("\x8D").number(~0ULL, 8).stop(), "reaches past"},
      {"a string of 2^63", start().raw("\x8D").number(1ULL << 63, 8).stop(), "reaches past"},
      {"bytes of 2^63", start().raw("\x8E").number(1ULL << 63, 8).stop(), "reaches past"},
      {"a bytearray of 2^40", start().raw("\x96").number(1ULL << 40, 8).stop(), "reaches past"},
      {"an integer cut short", start().raw("J\1").stop(), "reaches past"},
      {"a huge integer", start().raw("\x8B").number(2000, 4).raw(std::string(2000, '1')).stop(),
       "2000 bytes is too long"},
      {"a negative length", start().raw("\x8B").number(0xFFFFFFFF, 4).stop(), "too long"},
      {"a frame past the end", PickleBuilder(4).raw("\x95").number(99, 8).none().stop(),
       "a frame of 99 bytes"},
      {"a global without end", start().raw("cos").stop(), "no end or is too long"},
      {"a global that is too long", start().global(std::string(2000, 'm'), "n").stop(),
       "no end or is too long"},
      {"POP of nothing", start().raw("0").stop(), "stack is empty"},
      {"DUP of nothing", start().raw("2").stop(), "stack is empty"},
      {"DUP of a mark", start().none().mark().raw("2").stop(), "stack is empty"},
      {"TUPLE without mark", start().none().tuple().stop(), "no mark"},
      {"TUPLE3 of two", start().none().none().raw("\x87").stop(), "stack is empty"},
      {"TUPLE1 across a mark", start().none().mark().tuple1().stop(), "stack is empty"},
      {"POP_MARK without mark", start().raw("1").stop(), "no mark"},
      {"APPENDS without mark", start().empty_list().appends().stop(), "no mark"},
      {"APPENDS without list", start().mark().none().appends().stop(), "stack is empty"},
      {"SETITEM of nothing", start().empty_dict().none().set_item().stop(), "stack is empty"},
      {"SETITEMS of an odd count", start().empty_dict().mark().none().set_items().stop(),
       "key without a value"},
      {"SETITEM on a list", start().empty_list().none().none().set_item().stop(),
       "no dictionary (list)"},
      {"SETITEM on a number", start().integer(1).none().none().set_item().stop(),
       "no dictionary (int)"},
      {"SETITEM on a tensor", start().tensor("0", 1, {1}, {1}).none().none().set_item().stop(),
       "adds items to what torch._utils._rebuild_tensor_v2 makes"},
      {"SETITEM on a storage",
       start().storage("FloatStorage", "0", 1).none().none().set_item().stop(),
       "no dictionary (storage)"},
      {"SETITEM with a list as key", start().empty_dict().empty_list().none().set_item().stop(),
       "a list as key"},
      {"APPEND to a dictionary", start().empty_dict().none().append().stop(), "no list (dict)"},
      {"APPEND to a tuple", start().empty_tuple().none().append().stop(), "no list (tuple)"},
      {"ADDITEMS to a list", start().empty_list().mark().none().add_items().stop(),
       "no set (list)"},
      {"GET of nothing", start().get(0).stop(), "memo entry 0 was never written"},
      {"PUT of nothing", start().put(0).stop(), "stack is empty"},
      {"LONG_BINGET far away", start().raw("j").number(0xFFFFFFFF, 4).stop(), "memo entry"},
      {"MEMOIZE of nothing", PickleBuilder(4).byte(0x94).stop(), "stack is empty"},
      {"REDUCE of a number", start().integer(1).empty_tuple().reduce().stop(), "no global (int)"},
      {"REDUCE of a result",
       start().global("m", "f").empty_tuple().reduce().empty_tuple().reduce().stop(),
       "no global (m.f)"},
      {"REDUCE without tuple", start().global("m", "f").none().reduce().stop(),
       "without a tuple of arguments"},
      {"REDUCE of a type", start().global("torch", "float32").empty_tuple().reduce().stop(),
       "calls torch.float32, which is no function"},
      {"REDUCE of a storage class",
       start().global("torch", "FloatStorage").empty_tuple().reduce().stop(),
       "calls torch.FloatStorage"},
      {"torch.Size of a number",
       start().global("torch", "Size").integer(1).tuple1().reduce().stop(), "torch.Size takes"},
      {"a dictionary of numbers",
       start().global("collections", "OrderedDict").integer(1).tuple1().reduce().stop(),
       "made from a int"},
      {"a dictionary of no pairs",
       start()
           .global("collections", "OrderedDict")
           .empty_list()
           .none()
           .append()
           .tuple1()
           .reduce()
           .stop(),
       "no pairs"},
      {"a set of a number", start().global("builtins", "set").integer(1).tuple1().reduce().stop(),
       "made from a int"},
      {"NEWOBJ_EX without keywords",
       start().global("m", "C").empty_tuple().none().raw("\x92").stop(), "takes a dictionary"},
      {"STACK_GLOBAL of numbers", PickleBuilder(4).integer(1).integer(2).byte(0x93).stop(),
       "takes two strings"},
      {"BUILD of a number", start().integer(1).none().build().stop(), "no state (int)"},
      {"BUILD twice",
       start().global("m", "C").empty_tuple().new_object().none().build().none().build().stop(),
       "builds an object twice"},
      {"a persistent number", start().integer(1).persistent().stop(), "a persistent id"},
      {"a persistent tuple of 4", start().numbers({1, 2, 3, 4}).persistent().stop(),
       "a persistent id"},
      {"a persistent module",
       start().mark().string("module").none().none().none().none().tuple().persistent().stop(),
       "a persistent id"},
      {"os.system", start().global("os", "system").string("id").tuple1().reduce().stop(),
       "os.system, which can run code"},
      {"posix.system by name", PickleBuilder(4).stack_global("posix", "system").stop(),
       "posix.system, which can run code"},
      {"getattr", start().global("__builtin__", "getattr").stop(), "__builtin__.getattr"},
      {"an escaped name", start().global("os", "\x1b[31m").stop(), "os.\\x1b[31m"},
  };
  const std::pair<const char*, const char*> text_opcodes[] = {
      {"F1.0\n", "FLOAT"},
      {"I1\n", "INT"},
      {"L1L\n", "LONG"},
      {"P0\n", "PERSID"},
      {"S'a'\n", "STRING"},
      {"Va\n", "UNICODE"},
      {"g0\n", "GET"},
      {"p0\n", "PUT"},
      {"ios\nsystem\n", "INST"},
      {"o", "OBJ"},
      {"\x82\1", "EXT1"},
      {"\x83\1\1", "EXT2"},
      {"\x84\1\1\1\1", "EXT4"},
      {"\x97", "NEXT_BUFFER"},
      {"\x98", "READONLY_BUFFER"},
  };
  for (const auto& [text, name] : text_opcodes)
    cases.push_back({name, start().raw(text).stop(), name});
  return cases;
}

}  // namespace wpack::refusals

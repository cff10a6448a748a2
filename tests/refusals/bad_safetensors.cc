#include "refusals/tables.h"

namespace wpack::refusals {
namespace {

// One tensor of four bytes with this text as its entry.
std::string one_entry(const std::string& entry) { return "{\"w\":" + entry + "}"; }

std::string repeat(const std::string& text, std::size_t count) {
  std::string result;
  for (std::size_t i = 0; i < count; ++i) result += text;
  return result;
}

const std::string kGood = R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})";

}  // namespace

std::vector<BadHeader> broken_json() {
  return {
      {"Empty", "", "not valid JSON"},
      {"SpacesOnly", "    ", "not valid JSON"},
      {"NoJson", "hello", "not valid JSON"},
      {"CutInsideAnEntry", R"({"w":{"dtype":"F32","sha)", "not valid JSON"},
      {"CutBeforeTheLastBrace", "{\"w\":" + kGood, "not valid JSON"},
      {"TrailingComma", "{\"w\":" + kGood + ",}", "not valid JSON"},
      {"TextBehindTheObject", one_entry(kGood) + " x", "not valid JSON"},
      {"SecondObject", one_entry(kGood) + "{}", "not valid JSON"},
      {"NulPadding", one_entry(kGood) + std::string(3, '\0'), "NUL byte (header offset 54)"},
      {"ByteOrderMark", "\xef\xbb\xbf" + one_entry(kGood), "byte order mark"},
      {"Comment", "/**/" + one_entry(kGood), "not valid JSON"},
      {"SingleQuotes", "{'w':1}", "not valid JSON"},
      {"NameThatIsNotUtf8", "{\"w\xff\":" + kGood + "}", "not valid JSON"},
      {"OverlongUtf8", "{\"\xc0\xaf\":" + kGood + "}", "not valid JSON"},
      {"LoneSurrogate", R"({"\ud800":)" + kGood + "}", "not valid JSON"},
      {"RawControlCharacter", "{\"a\nb\":" + kGood + "}", "not valid JSON"},
      {"NotANumber", one_entry(R"({"dtype":"F32","shape":[NaN],"data_offsets":[0,4]})"),
       "not valid JSON"},
      {"LeadingZero", one_entry(R"({"dtype":"F32","shape":[01],"data_offsets":[0,4]})"),
       "not valid JSON"},
      {"NumberBeyondADouble", one_entry(R"({"dtype":"F32","shape":[1e999],"data_offsets":[0,4]})"),
       "not valid JSON"},
      {"DeepNesting",
       one_entry(R"({"x":)" + repeat("[", 100'000) + repeat("]", 100'000) + "," + kGood.substr(1)),
       "nested too deeply"},
  };
}

std::vector<BadHeader> wrong_structure() {
  const auto shape = [](const std::string& value) {
    return one_entry(R"({"dtype":"F32","shape":)" + value + R"(,"data_offsets":[0,4]})");
  };
  const auto offsets = [](const std::string& value) {
    return one_entry(R"({"dtype":"F32","shape":[1],"data_offsets":)" + value + "}");
  };
  return {
      {"Array", "[]", "the header must be an object"},
      {"Text", "\"header\"", "the header must be an object"},
      {"Number", "7", "the header must be an object"},
      {"EntryInArrayForm", one_entry(R"(["F32",[1],[0,4]])"),
       "tensor \"w\": the entry must be an object"},
      {"NullEntry", one_entry("null"), "the entry must be an object"},
      {"TextEntry", one_entry("\"x\""), "the entry must be an object"},
      {"NoDtype", one_entry(R"({"shape":[1],"data_offsets":[0,4]})"), "dtype is missing"},
      {"NoShape", one_entry(R"({"dtype":"F32","data_offsets":[0,4]})"), "shape is missing"},
      {"NoOffsets", one_entry(R"({"dtype":"F32","shape":[1]})"), "data_offsets is missing"},
      {"NumberAsDtype", one_entry(R"({"dtype":1,"shape":[1],"data_offsets":[0,4]})"),
       "dtype must be a string"},
      {"NumberAsShape", shape("1"), "shape must be a list"},
      {"NullShape", shape("null"), "shape must be a list"},
      {"ObjectAsShape", shape("{}"), "shape must be a list"},
      {"NestedShape", shape("[[1]]"), "shape must hold integers"},
      {"TextDimension", shape("[\"1\"]"), "shape must hold integers"},
      {"NegativeDimension", shape("[-1]"), "shape must hold integers"},
      {"NegativeZeroDimension", shape("[-0]"), "shape must hold integers"},
      {"FractionDimension", shape("[1.0]"), "shape must hold integers"},
      {"ExponentDimension", shape("[1e0]"), "shape must hold integers"},
      {"BooleanDimension", shape("[true]"), "shape must hold integers"},
      {"DimensionPast2To53", shape("[9007199254740993]"), "integers of 0 to 2^53"},
      {"DimensionPast2To64", shape("[18446744073709551616]"), "integers of 0 to 2^53"},
      {"ThirtyThreeDimensions", shape("[" + repeat("1,", 32) + "1]"), "more than 32 dimensions"},
      {"NumberAsOffsets", offsets("4"), "data_offsets must be a list"},
      {"NoOffset", offsets("[]"), "data_offsets must hold two integers"},
      {"OneOffset", offsets("[0]"), "data_offsets must hold two integers"},
      {"ThreeOffsets", offsets("[0,4,4]"), "data_offsets must hold two integers"},
      {"NegativeOffset", offsets("[-4,4]"), "data_offsets must hold integers"},
      {"FractionOffset", offsets("[0,4.0]"), "data_offsets must hold integers"},
      {"OffsetPast2To53", offsets("[0,9007199254740993]"), "data_offsets must hold integers"},
      {"DtypeTwice", one_entry(R"({"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]})"),
       "tensor \"w\": dtype appears twice"},
      {"ShapeTwice", one_entry(R"({"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]})"),
       "shape appears twice"},
      {"OffsetsTwice",
       one_entry(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4],"data_offsets":[0,4]})"),
       "data_offsets appears twice"},
      {"UnknownFieldTwice", one_entry(R"({"x":1,"x":1,)" + kGood.substr(1)),
       "field \"x\" appears twice"},
      {"FieldTwiceInsideAnUnknownField", one_entry(R"({"x":[{"y":1,"y":2}],)" + kGood.substr(1)),
       "field \"y\" appears twice"},
      {"TensorTwice", "{\"w\":" + kGood + ",\"w\":" + kGood + "}", "tensor \"w\" appears twice"},
      {"TensorTwiceThroughAnEscape", "{\"w\":" + kGood + ",\"\\u0077\":" + kGood + "}",
       "tensor \"w\" appears twice"},
  };
}

std::vector<BadHeader> wrong_metadata() {
  const auto metadata = [](const std::string& value) {
    return "{\"__metadata__\":" + value + ",\"w\":" + kGood + "}";
  };
  std::string many;
  for (int i = 0; i <= 65'536; ++i) many += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":\"\"";
  return {
      {"MetadataText", metadata("\"x\""), "__metadata__ must be an object or null"},
      {"MetadataArray", metadata("[]"), "__metadata__ must be an object or null"},
      {"MetadataNumberValue", metadata(R"({"a":1})"), "a value of __metadata__ must be a string"},
      {"MetadataNullValue", metadata(R"({"a":null})"), "a value of __metadata__ must be a string"},
      {"MetadataObjectValue", metadata(R"({"a":{}})"), "a value of __metadata__ must be a string"},
      {"MetadataKeyTwice", metadata(R"({"a":"1","a":"2"})"),
       "__metadata__ has the key \"a\" twice"},
      {"MetadataTwice", "{\"__metadata__\":{},\"__metadata__\":{}}", "__metadata__ appears twice"},
      {"MetadataKeyWithNul", metadata(R"({"a\u0000":"1"})"), "holds a NUL character"},
      {"MetadataKeyTooLong", metadata("{\"" + repeat("k", 4097) + "\":\"\"}"), "4096 bytes"},
      {"MetadataEntriesWithoutEnd", metadata("{" + many + "}"), "more than 65536 entries", 4,
       ErrorCode::kLimit},
  };
}

std::vector<BadHeader> wrong_tensors() {
  std::string fields = "{";
  for (int i = 0; i < 4097; ++i) fields += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":0";
  const auto entry = [](const std::string& dtype, const std::string& shape,
                        const std::string& end) {
    return one_entry("{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":[0," +
                     end + "]}");
  };
  return {
      {"FieldsWithoutEnd", one_entry(fields + "}"), "more than 4096 unknown fields", 4,
       ErrorCode::kLimit},
      {"EmptyName", "{\"\":" + kGood + "}", "empty name"},
      {"NameWithNul", R"({"a\u0000b":)" + kGood + "}", "holds a NUL character"},
      {"NameTooLong", "{\"" + repeat("n", 4097) + "\":" + kGood + "}", "tensor name of 4097 bytes"},
      {"UnknownDtype", entry("Q9", "[1]", "4"), "tensor \"w\": unknown element type \"Q9\""},
      {"LowerCaseDtype", entry("f32", "[1]", "4"), "unknown element type \"f32\""},
      {"DtypeThatOnlyTorchHas", entry("C128", "[1]", "16"), "unknown element type \"C128\"", 16},
      {"DtypeThatDrivesATerminal", entry("\\u001b[2J", "[1]", "4"), "\"\\x1b[2J\""},
      {"SizeTooSmall", entry("F32", "[2]", "4"), "take 8 bytes, but data_offsets hold 4"},
      {"SizeTooLarge", entry("U8", "[3]", "4"), "take 3 bytes, but data_offsets hold 4"},
      {"ScalarOfTwo", entry("F16", "[]", "4"), "take 2 bytes, but data_offsets hold 4"},
      {"EmptyTensorWithBytes", entry("F32", "[0]", "4"), "take 0 bytes, but data_offsets hold 4"},
      {"ProductOverflow", entry("F32", "[9007199254740992,9007199254740992]", "4"),
       "product of its shape overflows"},
      {"BitsOverflow", entry("F64", "[9007199254740992,1024]", "4"),
       "product of its shape overflows"},
      {"HalfAByte", entry("F4", "[7]", "4"), "7 elements of 4 bits do not end at a byte"},
      {"SixBits", entry("F6_E2M3", "[5]", "4"), "5 elements of 6 bits do not end at a byte"},
  };
}

std::vector<BadHeader> wrong_layout() {
  const auto two = [](const std::string& first, const std::string& second) {
    return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + first +
           R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}";
  };
  return {
      {"OffsetsReversed", one_entry(R"({"dtype":"F32","shape":[1],"data_offsets":[4,0]})"),
       "end before they begin"},
      {"HoleAtTheFront", one_entry(R"({"dtype":"U8","shape":[4],"data_offsets":[1,5]})"),
       "begins at offset 1, but the data before it ends at 0", 5},
      {"HoleInTheMiddle", two("[0,4]", "[5,9]"), "tensor \"b\": its data begins at offset 5", 9},
      {"Overlap", two("[0,4]", "[3,7]"), "tensor \"b\": its data begins at offset 3", 7},
      {"SameBytesTwice", two("[0,4]", "[0,4]"),
       "begins at offset 0, but the data before it ends at 4"},
      {"EmptyTensorInsideAnother",
       R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
       R"("b":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}})",
       "tensor \"b\": its data begins at offset 2"},
      {"DataPastTheEnd", one_entry(kGood), "ends at offset 4 of 3 bytes", 3},
      {"BytesBehindTheData", one_entry(kGood),
       "5 bytes of tensor data, but the tensors end at offset 4", 5},
      {"BytesWithoutTensors", "{}", "4 bytes of tensor data, but the tensors end at offset 0"},
  };
}

}  // namespace wpack::refusals

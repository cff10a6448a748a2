// The opcodes of pickle protocols 0 to 5 (PEP 307, PEP 3154, PEP 574).
#pragma once

#include <cstdint>
#include <string_view>

namespace wpack::import {

enum class Opcode : std::uint8_t {
  kMark = '(',
  kStop = '.',
  kPop = '0',
  kPopMark = '1',
  kDup = '2',
  kFloat = 'F',
  kInt = 'I',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kLong = 'L',
  kBinInt2 = 'M',
  kNone = 'N',
  kPersistentId = 'P',
  kBinPersistentId = 'Q',
  kReduce = 'R',
  kString = 'S',
  kBinString = 'T',
  kShortBinString = 'U',
  kUnicode = 'V',
  kBinUnicode = 'X',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kDict = 'd',
  kEmptyDict = '}',
  kAppends = 'e',
  kGet = 'g',
  kBinGet = 'h',
  kInstance = 'i',
  kLongBinGet = 'j',
  kList = 'l',
  kEmptyList = ']',
  kObject = 'o',
  kPut = 'p',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kEmptyTuple = ')',
  kSetItems = 'u',
  kBinFloat = 'G',
  kProtocol = 0x80,
  kNewObject = 0x81,
  kExtension1 = 0x82,
  kExtension2 = 0x83,
  kExtension4 = 0x84,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8A,
  kLong4 = 0x8B,
  kBinBytes = 'B',
  kShortBinBytes = 'C',
  kShortBinUnicode = 0x8C,
  kBinUnicode8 = 0x8D,
  kBinBytes8 = 0x8E,
  kEmptySet = 0x8F,
  kAddItems = 0x90,
  kFrozenSet = 0x91,
  kNewObjectEx = 0x92,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95,
  kByteArray8 = 0x96,
  kNextBuffer = 0x97,
  kReadOnlyBuffer = 0x98,
};

// Returns the name of an opcode that is refused although pickle has it, else an empty text.
[[nodiscard]] constexpr std::string_view refused_opcode_name(Opcode opcode) noexcept {
  switch (opcode) {
    case Opcode::kFloat:
      return "FLOAT";
    case Opcode::kInt:
      return "INT";
    case Opcode::kLong:
      return "LONG";
    case Opcode::kPersistentId:
      return "PERSID";
    case Opcode::kString:
      return "STRING";
    case Opcode::kUnicode:
      return "UNICODE";
    case Opcode::kGet:
      return "GET";
    case Opcode::kPut:
      return "PUT";
    case Opcode::kInstance:
      return "INST";
    case Opcode::kObject:
      return "OBJ";
    case Opcode::kExtension1:
      return "EXT1";
    case Opcode::kExtension2:
      return "EXT2";
    case Opcode::kExtension4:
      return "EXT4";
    case Opcode::kNextBuffer:
      return "NEXT_BUFFER";
    case Opcode::kReadOnlyBuffer:
      return "READONLY_BUFFER";
    default:
      return {};
  }
}

}  // namespace wpack::import

// JSON texts of checkpoints as events: stricter than the parser alone, and with positions. For .cc
// files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "wpack/error.h"

namespace wpack::base {

// A text, and how far the parser has come in it: it hands no positions to its handler.
class JsonText {
 public:
  explicit JsonText(std::string_view text) : text_(text), at_(text.data()) {}

  [[nodiscard]] std::size_t position() const {
    return static_cast<std::size_t>(at_ - text_.data());
  }

  // What the parser would let pass and no JSON text holds, or would take much memory for: it keeps
  // copies of the text or number that it is in.
  static constexpr std::size_t kMaxTokenSize = std::size_t{8} << 20;  // bytes as written
  struct Defect {
    std::string_view reason;
    std::size_t position = 0;
    ErrorCode code = ErrorCode::kBadInput;
  };
  [[nodiscard]] std::optional<Defect> find_defect() const {
    // The parser takes a NUL for the end of its input and skips a byte order mark.
    if (const auto nul = text_.find('\0'); nul != std::string_view::npos)
      return Defect{"it is not valid JSON: NUL byte", nul};
    if (text_.starts_with("\xef\xbb\xbf")) return Defect{"it begins with a byte order mark", 0};
    if (const auto token = find_long_token()) {
      return Defect{"it holds a text or number of more than 8388608 bytes", *token,
                    ErrorCode::kLimit};
    }
    return std::nullopt;
  }

  // Feeds the events to `handler`, whose functions are those of nlohmann::json's SAX interface.
  // Returns false if the text is not valid, or a function of the handler returned false.
  template <typename Handler>
  [[nodiscard]] bool parse(Handler& handler) {
    const char* const end = text_.data() + text_.size();
    return nlohmann::json::sax_parse(Iterator(text_.data(), &at_), Iterator(end, &at_), &handler);
  }

 private:
  // A quotation mark ends a text unless an odd number of backslashes stands before it; in a text
  // that is not valid, it does not matter what counts as one token.
  [[nodiscard]] std::optional<std::size_t> find_long_token() const {
    if (text_.size() <= kMaxTokenSize) return std::nullopt;
    constexpr std::string_view kBetween = " \t\n\r,:[]{}";
    std::size_t begin = 0;
    bool in_text = false;
    for (std::size_t at = 0; at < text_.size(); ++at) {
      const char byte = text_[at];
      if (in_text && byte == '\\') {
        ++at;
      } else if (byte == '"') {
        if (!in_text) begin = at;
        in_text = !in_text;
      } else if (!in_text && kBetween.find(byte) != std::string_view::npos) {
        begin = at + 1;
      }
      if (at + 1 > begin + kMaxTokenSize) return begin;
    }
    return std::nullopt;
  }

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = const char&;

    Iterator(const char* at, const char** cursor) : at_(at), cursor_(cursor) {}
    reference operator*() const { return *at_; }
    Iterator& operator++() {
      *cursor_ = ++at_;
      return *this;
    }
    Iterator operator++(int) {
      Iterator before = *this;
      ++*this;
      return before;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.at_ == b.at_; }
    friend bool operator!=(const Iterator& a, const Iterator& b) { return !(a == b); }

   private:
    const char* at_;
    const char** cursor_;
  };

  std::string_view text_;
  const char* at_;
};

}  // namespace wpack::base

// Which files of a model's folder travel with its weights. Pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace wpack::folder {

// The rule, which include/wpack/tensor_source.h and `wpack pack --help` state too: what other
// programs need to use the weights, and the terms of their use. Matched by the end of the name, or
// by its beginning.
inline constexpr std::string_view kAttachmentEndings[] = {
    ".json", ".jinja", ".model", ".txt", ".tiktoken", ".spm", ".bpe", ".md", ".py"};
inline constexpr std::string_view kAttachmentBeginnings[] = {"tokenizer.model", "LICENSE",
                                                             "NOTICE"};
inline constexpr std::uint64_t kMaxAttachmentSize = std::uint64_t{64} << 20;  // bytes
inline constexpr std::size_t kMaxAttachments = 1'024;                         // of the format

// True if a file of this name is attached, if its size allows.
[[nodiscard]] bool is_attached(std::string_view name);

}  // namespace wpack::folder

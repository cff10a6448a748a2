// Reading all that a source hands out.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <span>
#include <string>
#include <utility>

#include "import/torch/checkpoint_file.h"
#include "support/result_matchers.h"
#include "wpack/tensor_source.h"

namespace wpack::testing {

// The bytes of every tensor, by name.
inline std::map<std::string, std::string> read_all(TensorSource& source) {
  std::map<std::string, std::string> contents;
  const auto& tensors = source.description().tensors;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    auto bytes = read_tensor(source, i);
    EXPECT_THAT(bytes, IsOk());
    if (bytes) contents[tensors[i].name] = *std::move(bytes);
  }
  EXPECT_THAT(source.finish({}), IsOk());
  return contents;
}

inline std::string read_attachment(TensorSource& source, std::size_t index) {
  std::string bytes(source.description().attachments[index].size, '\0');
  EXPECT_THAT(source.read_attachment(index, 0, std::as_writable_bytes(std::span(bytes))), IsOk());
  return bytes;
}

}  // namespace wpack::testing

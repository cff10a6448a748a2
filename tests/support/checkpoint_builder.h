// Small PyTorch checkpoints for tests: an archive around a pickle and its storages.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/pickle_builder.h"
#include "support/zip_builder.h"

namespace wpack::testing {

// An archive as PyTorch writes it: "archive/data.pkl", storages "0", "1", ..., version 3.
inline ZipBuilder checkpoint_zip(std::string pickle, const std::vector<std::string>& storages) {
  ZipBuilder zip;
  zip.add("archive/data.pkl", std::move(pickle));
  for (std::size_t i = 0; i < storages.size(); ++i)
    zip.add("archive/data/" + std::to_string(i), storages[i]);
  zip.add("archive/version", "3\n");
  for (ZipEntry& entry : zip.entries) entry.descriptor = true;
  return zip;
}

// {"x": a float32 tensor of shape [2] over storage 0}
inline std::string small_pickle() {
  return PickleBuilder().empty_dict().string("x").tensor("0", 2, {2}, {1}).set_item().stop();
}

inline ZipBuilder small_zip() { return checkpoint_zip(small_pickle(), {"abcdefgh"}); }

// {"x": what `value` appends}; storage "0" holds the 8 bytes "abcdefgh".
inline std::string holding(const std::function<void(PickleBuilder&)>& value) {
  PickleBuilder builder;
  builder.empty_dict().string("x");
  value(builder);
  return builder.set_item().stop();
}

// The start of a call of one of the functions that rebuild tensors, up to its arguments.
inline PickleBuilder& rebuild(PickleBuilder& builder, std::string_view function,
                              std::string_view module = "torch._utils") {
  return builder.global(module, function).mark();
}

}  // namespace wpack::testing

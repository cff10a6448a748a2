// The bytes of an index, to be changed where its builder writes nothing wrong.
#pragma once

#include <cstdint>
#include <cstring>

#include "base/little_endian.h"
#include "wpack/types.h"

namespace wpack::testing {

// The fields of the root table, in the order of format/wpack.fbs.
enum class Field : std::uint8_t {
  kProducer,
  kSourceFormat,
  kCreated,
  kNames,
  kDims,
  kShards,
  kExtents,
  kChunks,
  kLayers,
  kForeign,
  kTensors,
  kTensorsByName,
  kTensorSlots,
  kLayersByName,
  kLayerSlots,
  kAttachments,
  kMetadataText,
  kMetadata,
  kSources,
};

class FlatIndex {
 public:
  // `bytes` is a FlatBuffer from build_index, and outlives this.
  explicit FlatIndex(MutableBytes bytes) : bytes_(bytes) {}

  // Where the vtable says how far into the table a field lies: 16 bits, 0 for none.
  [[nodiscard]] std::size_t slot(Field field) const {
    const auto back = static_cast<std::int32_t>(load<std::uint32_t>(root()));
    const std::size_t vtable = root() - static_cast<std::size_t>(back);
    return vtable + 4 + 2 * static_cast<std::size_t>(field);
  }
  // Where the table says how far away a field's vector lies: 32 bits.
  [[nodiscard]] std::size_t reference(Field field) const {
    return root() + load<std::uint16_t>(slot(field));
  }
  // Where a vector's count stands: 32 bits; its rows follow.
  [[nodiscard]] std::size_t vector(Field field) const {
    return reference(field) + load<std::uint32_t>(reference(field));
  }

  template <typename T>
  [[nodiscard]] T load(std::size_t at) const {
    return base::load_le<T>(&bytes_[at]);
  }
  template <typename T>
  void store(std::size_t at, T value) {
    base::store_le(&bytes_[at], value);
  }
  void add_to_count(Field field, std::int32_t change) {
    const auto count = load<std::uint32_t>(vector(field));
    store(vector(field), count + static_cast<std::uint32_t>(change));
  }

  template <typename Row>
  [[nodiscard]] Row row(Field field, std::size_t number) const {
    Row value;
    std::memcpy(&value, &bytes_[place_of<Row>(field, number)], sizeof(Row));
    return value;
  }
  template <typename Row>
  void set_row(Field field, std::size_t number, const Row& value) {
    std::memcpy(&bytes_[place_of<Row>(field, number)], &value, sizeof(Row));
  }

 private:
  [[nodiscard]] std::size_t root() const { return load<std::uint32_t>(0); }
  template <typename Row>
  [[nodiscard]] std::size_t place_of(Field field, std::size_t number) const {
    return vector(field) + 4 + number * sizeof(Row);
  }

  MutableBytes bytes_;
};

}  // namespace wpack::testing

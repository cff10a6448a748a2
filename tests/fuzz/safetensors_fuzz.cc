// The header of a safetensors file: an input is the header's text. An accepted header is JSON, says
// what was read from it, and its tensors tile the payload.
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "fuzz_target.h"
#include "import/safetensors_header.h"
#include "import/safetensors_json.h"
#include "property.h"

namespace wpack::fuzz {
namespace {

using import::SafetensorsHeader;
using Document = nlohmann::json;

// Where the payload has to end for `json` to be accepted.
std::uint64_t payload_end(const import::SafetensorsJson& json) {
  std::uint64_t end = 0;
  for (const auto& entry : json.entries) end = std::max(end, entry.end);
  return end;
}

void require_tiles(const SafetensorsHeader& header, std::uint64_t payload_size) {
  require(header.tensors.size() == header.begins.size(), "every tensor has its place");
  std::uint64_t end = 0;
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < header.tensors.size(); ++i) {
    const SourceTensor& tensor = header.tensors[i];
    require(header.begins[i] == end, "tensors follow each other without hole or overlap");
    require(tensor.nbytes <= payload_size - end, "tensors lie inside the payload");
    end += tensor.nbytes;
    require(tensor_nbytes(tensor.dtype, tensor.shape) == tensor.nbytes,
            "a tensor has as many bytes as its shape and type say");
    require(!tensor.name.empty() && tensor.name.size() <= 4096 && base::is_utf8(tensor.name) &&
                tensor.name.find('\0') == std::string::npos,
            "a name is UTF-8 without NUL");
    require(names.insert(tensor.name).second, "names are unique");
  }
  require(end == payload_size, "the payload ends with the last tensor");
}

// Another parser reads the same text and finds the same in it.
void require_same_as_document(const SafetensorsHeader& header, std::string_view text) {
  const Document document = Document::parse(text, nullptr, false);
  require(document.is_object(), "an accepted header is a JSON object");
  const std::size_t metadata = document.count("__metadata__");
  require(document.size() == header.tensors.size() + metadata, "every entry becomes a tensor");
  for (std::size_t i = 0; i < header.tensors.size(); ++i) {
    const SourceTensor& tensor = header.tensors[i];
    const auto found = document.find(tensor.name);
    require(found != document.end(), "a tensor has an entry");
    require(found->at("shape") == Document(tensor.shape), "a shape is the entry's");
    require(found->at("dtype") == dtype_name(tensor.dtype), "a type is the entry's");
    require(
        found->at("data_offsets") == Document({header.begins[i], header.begins[i] + tensor.nbytes}),
        "a place is the entry's");
  }
  if (metadata == 0 || document.at("__metadata__").is_null()) {
    require(header.metadata.empty(), "metadata comes from __metadata__");
    return;
  }
  const Document& entries = document.at("__metadata__");
  require(entries.size() == header.metadata.size(), "every entry of __metadata__ is kept");
  for (const MetadataEntry& entry : header.metadata)
    require(entries.at(entry.key) == entry.value, "a value is the one in __metadata__");
}

void run(std::string_view text) {
  import::MemoryMeter meter;
  const auto parsed = import::parse_safetensors_json(text, meter);
  if (!parsed) return require_refusal(parsed.error());
  const std::uint64_t payload_size = payload_end(*parsed);
  const auto header = import::parse_safetensors_header(text, payload_size);
  if (!header) return require_refusal(header.error());
  for (const std::string& warning : header->warnings) require_one_line(warning, "a warning");
  require_tiles(*header, payload_size);
  require_same_as_document(*header, text);
  require(!import::parse_safetensors_header(text, payload_size + 1),
          "a byte behind the last tensor is refused");
  if (payload_size != 0) {
    require(!import::parse_safetensors_header(text, payload_size - 1),
            "a payload that is cut short is refused");
  }
}

}  // namespace
}  // namespace wpack::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // A copy of exactly this size, so that reading past it is noticed.
  const std::vector<char> text(data, data + size);
  wpack::fuzz::run({text.data(), text.size()});
  return 0;
}

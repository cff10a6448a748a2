// The limits of the format (SPEC section 8), shared by writer and reader.
#pragma once

#include <cstdint>

#include "base/align.h"

namespace wpack::format {

inline constexpr std::uint32_t kNone = 0xFFFFFFFF;

inline constexpr std::uint64_t kEnvelopeSize = base::kPageSize;
inline constexpr std::uint64_t kMaxFileSize = std::uint64_t{1} << 48;
inline constexpr std::uint64_t kMaxIndexSize = (std::uint64_t{1} << 31) - 1 - kEnvelopeSize;
inline constexpr std::uint32_t kMaxShards = 65'535;
inline constexpr std::uint32_t kMaxTensors = std::uint32_t{1} << 24;
inline constexpr std::uint32_t kMaxExtents = std::uint32_t{1} << 24;
inline constexpr std::uint32_t kMaxChunks = std::uint32_t{1} << 26;
inline constexpr std::uint32_t kMaxLayers = std::uint32_t{1} << 20;
inline constexpr std::uint32_t kMaxAttachments = 1024;
inline constexpr std::uint32_t kMaxSources = 65'535;
inline constexpr std::uint32_t kMaxMetadata = 65'536;
inline constexpr std::uint64_t kMaxMetadataText = std::uint64_t{8} << 20;
inline constexpr std::uint32_t kMaxOriginSize = 255;  // of producer and source_format
inline constexpr std::uint32_t kMaxNameSize = 4096;
inline constexpr std::uint32_t kMaxAttachmentNameSize = 255;
inline constexpr std::uint32_t kMaxRank = 32;
inline constexpr std::uint8_t kMinChunkLog2 = 16;
inline constexpr std::uint8_t kMaxChunkLog2 = 26;
inline constexpr std::uint8_t kMinAlignmentLog2 = 8;
inline constexpr std::uint8_t kMaxAlignmentLog2 = 30;
inline constexpr std::uint64_t kCodedChunkAlignment = 64;
// Bytes that are hashed for the checksums of tensors, to bytes of payload; and always allowed.
inline constexpr std::uint64_t kMaxOverlap = 64;
inline constexpr std::uint64_t kMinHashed = std::uint64_t{1} << 30;

}  // namespace wpack::format

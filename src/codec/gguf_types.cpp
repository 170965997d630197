// SPDX-License-Identifier: Apache-2.0
// The table. A further type is a further row here and its function in gguf_blocks or gguf_codebooks.
#include "codec/gguf_types.h"

#include "base/check.h"
#include "codec/gguf_blocks.h"
#include "codec/gguf_codebooks.h"

namespace jang::codec {
namespace {

constexpr GgufType kGgufTypes[] = {
    {0, "F32", 1, 4, gguf::decode_f32},
    {1, "F16", 1, 2, gguf::decode_f16},
    {2, "Q4_0", 32, 18, gguf::decode_q4_0},
    {3, "Q4_1", 32, 20, gguf::decode_q4_1},
    {6, "Q5_0", 32, 22, gguf::decode_q5_0},
    {7, "Q5_1", 32, 24, gguf::decode_q5_1},
    {8, "Q8_0", 32, 34, gguf::decode_q8_0},
    {9, "Q8_1", 32, 40, nullptr},
    {10, "Q2_K", 256, 84, gguf::decode_q2_k},
    {11, "Q3_K", 256, 110, gguf::decode_q3_k},
    {12, "Q4_K", 256, 144, gguf::decode_q4_k},
    {13, "Q5_K", 256, 176, gguf::decode_q5_k},
    {14, "Q6_K", 256, 210, gguf::decode_q6_k},
    {15, "Q8_K", 256, 292, gguf::decode_q8_k},
    {16, "IQ2_XXS", 256, 66, gguf::decode_iq2_xxs},
    {17, "IQ2_XS", 256, 74, gguf::decode_iq2_xs},
    {18, "IQ3_XXS", 256, 98, gguf::decode_iq3_xxs},
    {19, "IQ1_S", 256, 50, gguf::decode_iq1_s},
    {20, "IQ4_NL", 32, 18, gguf::decode_iq4_nl},
    {21, "IQ3_S", 256, 110, gguf::decode_iq3_s},
    {22, "IQ2_S", 256, 82, gguf::decode_iq2_s},
    {23, "IQ4_XS", 256, 136, gguf::decode_iq4_xs},
    {24, "I8", 1, 1, nullptr},
    {25, "I16", 1, 2, nullptr},
    {26, "I32", 1, 4, nullptr},
    {27, "I64", 1, 8, nullptr},
    {28, "F64", 1, 8, nullptr},
    {29, "IQ1_M", 256, 56, gguf::decode_iq1_m},
    {30, "BF16", 1, 2, gguf::decode_bf16},
    {34, "TQ1_0", 256, 54, gguf::decode_tq1_0},
    {35, "TQ2_0", 256, 66, gguf::decode_tq2_0},
    {39, "MXFP4", 32, 17, gguf::decode_mxfp4},
    {40, "NVFP4", 64, 36, nullptr},
    {41, "Q1_0", 128, 18, nullptr},
};

}  // namespace

std::span<const GgufType> gguf_types() { return kGgufTypes; }

const GgufType* find_gguf_type(std::uint32_t id) {
  for (const GgufType& type : kGgufTypes)
    if (type.id == id) return &type;
  return nullptr;
}

void decode_gguf(const GgufType& type, const std::byte* blocks, std::int64_t n_values, float* values) {
  JANG_CHECK(type.decode != nullptr && n_values % type.block_values == 0);
  const auto* block = reinterpret_cast<const std::uint8_t*>(blocks);
  for (std::int64_t i = 0; i < n_values; i += type.block_values, block += type.block_bytes) type.decode(block, values + i);
}

}  // namespace jang::codec

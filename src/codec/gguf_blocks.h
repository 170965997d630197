// SPDX-License-Identifier: Apache-2.0
// Blocks of GGUF's types with evenly spaced levels: plain floats, the types of 32 values with one scale, the K types of 256 values with
// scales of scales, the ternary types, and OCP's MXFP4. A function decodes one block, in the order of float operations that the package
// `gguf` has, so that both agree in every bit. Layouts are those of ggml's block structs, little endian.
//
//   d, m    scale and minimum, fp16        q    code of a value
//   Q4_0, Q5_0, Q8_0   d * (q - 2^(bits-1)), Q8_0 signed      Q4_1, Q5_1   d * q + m
//   K types            16 (Q2_K, Q3_K, Q6_K) or 32 (Q4_K, Q5_K) values share a scale s of 4, 6 or 8 bits, itself times d:
//                      (d * s) * q - (dmin * m), or (d * s) * q with signed q
//   TQ1_0, TQ2_0       d * (q - 1), q in 0..2
//   MXFP4              2^(e - 128) * level, levels doubled so that they are integers
#pragma once

#include <cstdint>

namespace jang::codec::gguf {

void decode_f32(const std::uint8_t* block, float* values);
void decode_f16(const std::uint8_t* block, float* values);
void decode_bf16(const std::uint8_t* block, float* values);
void decode_q4_0(const std::uint8_t* block, float* values);
void decode_q4_1(const std::uint8_t* block, float* values);
void decode_q5_0(const std::uint8_t* block, float* values);
void decode_q5_1(const std::uint8_t* block, float* values);
void decode_q8_0(const std::uint8_t* block, float* values);
void decode_q2_k(const std::uint8_t* block, float* values);
void decode_q3_k(const std::uint8_t* block, float* values);
void decode_q4_k(const std::uint8_t* block, float* values);
void decode_q5_k(const std::uint8_t* block, float* values);
void decode_q6_k(const std::uint8_t* block, float* values);
void decode_q8_k(const std::uint8_t* block, float* values);
void decode_tq1_0(const std::uint8_t* block, float* values);
void decode_tq2_0(const std::uint8_t* block, float* values);
void decode_mxfp4(const std::uint8_t* block, float* values);

}  // namespace jang::codec::gguf

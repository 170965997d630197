// SPDX-License-Identifier: Apache-2.0
// Taking packed rows over from one format into another. A source that is packed with no more bits and in groups that are whole multiples
// of the new ones keeps its codes: its value code*scale + bias becomes (code - zero)*scale with zero = -bias/scale, or the other way round.
// Where scale and bias survive that in the new type, the values are the same numbers; a group of which they do not is the better of what
// is kept so and what the encoder makes of its values.
//
//   negative scale, zero points    code' = 2^b-1 - code, zero' = 2^b-1 - zero, scale' = -scale
//   symmetric                      code' = code - zero + 2^(b'-1)
//   float zeros                    zero' = -bias/scale in the type of the scales, scale' = scale
#pragma once

#include <array>
#include <functional>
#include <span>

#include "arch/arch.h"
#include "codec/weight_format.h"
#include "format/checkpoint.h"
#include "jang/status.h"
#include "kernels/encode.h"

namespace jang::quantize {

// Whether every piece of the tensor is packed so that its codes can be kept in the format.
[[nodiscard]] bool can_carry(const format::Checkpoint& checkpoint, const arch::OutTensor& tensor, const codec::WeightFormat& format);

// Planes of rows in the codec's form, to be filled.
using PlaneSpans = std::array<std::span<std::byte>, codec::kMaxPlanes>;

// Rows [row_begin, row_begin + n) of the tensor. `values`: what they stand for. `encode` fills `planes` from the values; it is called only
// where a group does not come over exactly. Returns the squared error and norm of the result against the values: zero where nothing was
// lost. Precondition: can_carry. Errors: those of reading.
[[nodiscard]] Result<kernels::EncodeError> carry_rows(const format::Checkpoint& checkpoint, const arch::OutTensor& tensor,
                                                      const codec::WeightFormat& format, DType params, std::int64_t row_begin,
                                                      std::span<const float> values, const PlaneSpans& planes,
                                                      const std::function<void()>& encode);

}  // namespace jang::quantize

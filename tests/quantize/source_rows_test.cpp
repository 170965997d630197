// SPDX-License-Identifier: Apache-2.0
// Elements of a tensor whose channels move behind its taps: the values of the source in their new places, from wherever reading begins, and
// a bad one told by its place in the file.
#include "quantize/source_rows.h"

#include <gtest/gtest.h>

#include <limits>

#include "../format/temp_folder.h"
#include "arch/arch.h"
#include "format/checkpoint.h"
#include "format/safetensors.h"

namespace jang::quantize {
namespace {

constexpr std::int64_t kFilters = 4, kColours = 3, kPixels = 10;  // taps of 2 x 5

class MovedChannels : public format::TempFolder {
 protected:
  format::Checkpoint open(const std::vector<float>& values) {
    const std::vector<TensorInfo> infos = {{"conv.weight", DType::f32, {kFilters, kColours, 2, 5}}};
    put("model.safetensors", format::make_safetensors_header(infos, {}) +
                                 std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)));
    put("config.json", "{}");
    return format::Checkpoint::open(root_.string()).value();
  }
  static std::vector<float> numbered() {
    std::vector<float> values(kFilters * kColours * kPixels);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
    return values;
  }
  static arch::OutTensor convolution() {
    arch::OutTensor t;
    t.name = "conv.weight";
    t.shape = {kFilters, 2, 5, kColours};
    t.source_dtype = DType::f32;
    t.channels = kColours;
    t.pieces = {{0, 0, kFilters * kColours * 2}};
    return t;
  }
};

TEST_F(MovedChannels, values_stand_behind_their_taps_wherever_reading_begins) {
  const format::Checkpoint checkpoint = open(numbered());
  const SourceRows rows(checkpoint, convolution());
  const auto n = static_cast<std::size_t>(kFilters * kColours * kPixels);
  std::vector<std::byte> scratch;
  for (std::size_t begin = 0; begin < n; begin += 7)
    for (const std::size_t count : {std::size_t{1}, std::size_t{30}, std::size_t{31}, n - begin}) {
      if (count > n - begin) continue;
      std::vector<float> values(count);
      ASSERT_TRUE(rows.read_floats(static_cast<std::int64_t>(begin), values, scratch).ok());
      for (std::size_t i = 0; i < count; ++i) {
        const auto at = static_cast<std::int64_t>(begin + i), o = at / (kColours * kPixels), tap = at / kColours % kPixels,
                   c = at % kColours;
        ASSERT_EQ(values[i], static_cast<float>((o * kColours + c) * kPixels + tap)) << begin << " " << i;
      }
    }
}

TEST_F(MovedChannels, number_that_is_none_is_told_by_its_place_in_the_file) {
  std::vector<float> values = numbered();
  values[static_cast<std::size_t>((1 * kColours + 2) * kPixels + 6)] = std::numeric_limits<float>::quiet_NaN();  // row of 5: 2 (..) + 1
  const format::Checkpoint checkpoint = open(values);
  std::vector<float> out(values.size());
  std::vector<std::byte> scratch;
  const Status status = SourceRows(checkpoint, convolution()).read_floats(0, out, scratch);
  EXPECT_EQ(status.code(), StatusCode::corrupt);
  EXPECT_NE(status.message().find("[11, 1]"), std::string::npos) << status.message();
}

}  // namespace
}  // namespace jang::quantize

// SPDX-License-Identifier: Apache-2.0
// The layout of a bundle's files: contiguous, aligned, split where asked, equal to what the container's reader sees.
#include "plan/layout.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "format/safetensors.h"
#include "models.h"
#include "plan/make_plan.h"

namespace jang::plan {
namespace {

using testing::plan_of;

TEST(Layout, header_describes_exactly_the_parts) {
  for (const DType dtype : {DType::bf16, DType::f16, DType::f32}) {
    const arch::Model model = testing::hybrid_moe(8, 4);
    const Layout layout = make_layout(model, plan_of(model, "JANG_2S", dtype), 300'000);
    ASSERT_GT(layout.shards.size(), 2u);
    std::size_t seen = 0;
    for (std::size_t s = 0; s < layout.shards.size(); ++s) {
      const Shard& shard = layout.shards[s];
      EXPECT_EQ(shard.header.size() % 64, 0u);
      const auto header = format::parse_safetensors_header(std::string_view(shard.header).substr(8), shard.file_bytes, shard.file_name);
      ASSERT_TRUE(header.ok()) << header.status().message();
      EXPECT_EQ(header->metadata.at("format"), "mlx");
      std::map<std::string, const format::SafetensorsEntry*> by_name;
      for (const auto& e : header->tensors) by_name[e.info.name] = &e;
      for (const StoredPart& p : layout.parts) {
        if (p.shard != static_cast<int>(s)) continue;
        ++seen;
        ASSERT_TRUE(by_name.contains(p.info.name));
        EXPECT_EQ(by_name[p.info.name]->offset_bytes, p.offset_bytes);
        EXPECT_EQ(by_name[p.info.name]->info.shape, p.info.shape);
        EXPECT_EQ(by_name[p.info.name]->info.dtype, p.info.dtype);
      }
    }
    EXPECT_EQ(seen, layout.parts.size());
  }
}

TEST(Layout, every_payload_starts_on_its_alignment) {
  arch::Model model = testing::hybrid_moe(8, 4);
  testing::ModelBuilder odd("generic", 1, 0);
  odd.add("three", arch::Role::norm, {3}).source_dtype = DType::i64;
  odd.add("one_byte", arch::Role::norm, {5}).source_dtype = DType::u8;
  odd.add("narrow", arch::Role::attn_q, {1, 32});
  arch::Model extra = odd.take();
  model.tensors.insert(model.tensors.begin(), extra.tensors.begin(), extra.tensors.end());
  for (const char* profile : {"JANG_2S", "uniform_5"}) {
    for (const StoredPart& p : make_layout(model, plan_of(model, profile)).parts)
      EXPECT_EQ(p.offset_bytes % static_cast<std::uint64_t>(size_bytes(p.info.dtype)), 0u) << profile << " " << p.info.name;
  }
}

TEST(Layout, parts_of_a_module_are_adjacent_and_in_one_shard) {
  const arch::Model model = testing::qwen3_moe();
  const Layout layout = make_layout(model, plan_of(model, "JANG_4M"), 200'000);
  for (std::size_t i = 0; i < layout.parts.size(); ++i) {
    if (layout.parts[i].plane != 0) continue;
    ASSERT_LT(i + 2, layout.parts.size());
    const StoredPart &w = layout.parts[i], &s = layout.parts[i + 1], &b = layout.parts[i + 2];
    EXPECT_EQ(s.plane, 1);
    EXPECT_EQ(b.plane, 2);
    EXPECT_TRUE(w.tensor == s.tensor && s.tensor == b.tensor && w.shard == s.shard && s.shard == b.shard);
    EXPECT_EQ(w.offset_bytes + static_cast<std::uint64_t>(w.info.bytes()), s.offset_bytes);
    EXPECT_EQ(s.offset_bytes + static_cast<std::uint64_t>(s.info.bytes()), b.offset_bytes);
  }
}

TEST(Layout, quantized_parts_have_packed_shapes) {
  const arch::Model model = testing::qwen3_moe();
  Options options;
  options.profile = "uniform_3";
  const auto plan = make_plan(model, options);
  ASSERT_TRUE(plan.ok());
  std::map<std::string, TensorInfo> parts;
  const Layout layout = make_layout(model, *plan);
  for (const StoredPart& p : layout.parts) parts[p.info.name] = p.info;
  const std::string down = "model.layers.0.mlp.switch_mlp.down_proj";  // [16, 256, 128] at 3 bits, groups of 64
  EXPECT_EQ(parts.at(down + ".weight").shape, (Shape{16, 256, 12}));
  EXPECT_EQ(parts.at(down + ".weight").dtype, DType::u32);
  EXPECT_EQ(parts.at(down + ".scales").shape, (Shape{16, 256, 2}));
  EXPECT_EQ(parts.at(down + ".biases").shape, (Shape{16, 256, 2}));
  EXPECT_EQ(parts.at(down + ".scales").dtype, DType::bf16);
}

TEST(Layout, shards_hold_at_most_the_limit_or_one_module) {
  const arch::Model model = testing::qwen3_moe();
  const Plan plan = plan_of(model, "JANG_4M");
  for (const std::uint64_t limit : {std::uint64_t{1}, std::uint64_t{150'000}, std::uint64_t{1'000'000}, kMaxShardBytes}) {
    const Layout layout = make_layout(model, plan, limit);
    std::uint64_t file_bytes = 0, tensor_bytes = 0;
    for (std::size_t s = 0; s < layout.shards.size(); ++s) {
      std::set<int> tensors;
      std::uint64_t payload = 0;
      for (const StoredPart& p : layout.parts) {
        if (p.shard != static_cast<int>(s)) continue;
        tensors.insert(p.tensor);
        payload += static_cast<std::uint64_t>(p.info.bytes());
      }
      EXPECT_TRUE(payload <= limit || tensors.size() == 1);
      EXPECT_EQ(layout.shards[s].file_bytes, layout.shards[s].header.size() + payload);
      file_bytes += layout.shards[s].file_bytes;
      tensor_bytes += payload;
    }
    EXPECT_EQ(file_bytes, layout.file_bytes);
    EXPECT_EQ(tensor_bytes, layout.tensor_bytes);
  }
}

TEST(Layout, file_names_are_those_of_mlx) {
  const arch::Model model = testing::llama_tied();
  const Plan plan = plan_of(model, "JANG_4M");
  EXPECT_EQ(make_layout(model, plan).shards.at(0).file_name, "model.safetensors");
  const Layout split = make_layout(model, plan, 1'000'000);
  ASSERT_EQ(split.shards.size(), 9u);
  EXPECT_EQ(split.shards[0].file_name, "model-00001-of-00009.safetensors");
  EXPECT_EQ(split.shards[8].file_name, "model-00009-of-00009.safetensors");
}

TEST(Layout, unquantized_types_follow_the_plan_but_for_kept_and_integers) {
  arch::OutTensor t;
  t.shape = {4};
  t.source_dtype = DType::f32;
  EXPECT_EQ(stored_dtype(t, DType::bf16), DType::bf16);
  t.keep_dtype = true;
  EXPECT_EQ(stored_dtype(t, DType::bf16), DType::f32);
  EXPECT_EQ(stored_bytes(targets::default_target(), t, {}, DType::bf16), 16u);
  t.keep_dtype = false;
  t.source_dtype = DType::i32;
  EXPECT_EQ(stored_dtype(t, DType::f16), DType::i32);
}

TEST(Layout, bytes_per_weight_follow_width_and_group) {
  arch::OutTensor t;
  t.shape = {8, 256};
  EXPECT_EQ(stored_bytes(targets::default_target(), t, {4, 64}, DType::bf16), 8u * 256 * 9 / 16);  // 4.5 bits
  EXPECT_EQ(stored_bytes(targets::default_target(), t, {2, 128}, DType::f16), 8u * 256 * 9 / 32);  // 2.25 bits
  EXPECT_EQ(stored_bytes(targets::default_target(), t, {3, 32}, DType::f32), 8u * 256 * 5 / 8);    // 3 + 2 bits
  EXPECT_EQ(stored_bytes(targets::default_target(), t, {}, DType::f32), 8u * 256 * 4);
}

TEST(Layout, sizes_report_three_kinds_of_bits) {
  testing::ModelBuilder b("generic", 1, 0);
  b.add("a", arch::Role::attn_q, {64, 64});
  b.add("b", arch::Role::mlp_up, {64, 64});
  b.norm("n", 64);
  const arch::Model model = b.take();
  const Plan plan = plan_of(model, "JANG_2S");
  const Layout layout = make_layout(model, plan);
  const Sizes s = sizes(model, plan, layout);
  EXPECT_EQ(s.params, 2u * 4096 + 64);
  EXPECT_DOUBLE_EQ(s.code_bits, 4.0);  // 6 and 2
  EXPECT_DOUBLE_EQ(s.stored_bits, (4096 * 6.5 + 4096 * 2.5 + 64 * 16) / (2 * 4096 + 64));
}

}  // namespace
}  // namespace jang::plan

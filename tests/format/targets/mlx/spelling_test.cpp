// SPDX-License-Identifier: Apache-2.0
// Spelling of listed families and back: every family has its row, and a finished bundle is read as the model it was made of.
#include "format/targets/mlx/spelling.h"

#include <gtest/gtest.h>

#include "../../../arch/fake_model.h"
#include "arch/registry.h"
#include "format/targets/mlx/families.h"
#include "format/targets/targets.h"

namespace jang::targets::mlx {
namespace {

using namespace arch::testing;

TEST(Spelling, every_listed_family_has_a_row) {
  ASSERT_GT(arch::families().size(), 5u);
  for (const std::string_view family : arch::families()) EXPECT_EQ(family_row(family).family, family);
}

TEST(Spelling, what_is_spelled_reads_as_the_same_model) {
  for (const NamedModel& m : all_models()) {
    SCOPED_TRACE(m.name);
    const auto canonical = describe_canonical(m.model.config, m.model.tensors);
    const auto spelled = m.model.describe();
    ASSERT_TRUE(canonical.ok() && spelled.ok());
    std::vector<TensorInfo> stored;  // as a bundle of it has them
    for (const arch::OutTensor& t : spelled->tensors) stored.push_back({t.name, t.source_dtype, t.shape});
    const auto back = describe_canonical(spelled->config, stored);
    ASSERT_TRUE(back.ok()) << back.status().message();
    ASSERT_EQ(back->tensors.size(), canonical->tensors.size());
    for (std::size_t i = 0; i < back->tensors.size(); ++i) {
      EXPECT_EQ(back->tensors[i].name, canonical->tensors[i].name);
      EXPECT_EQ(back->tensors[i].shape, canonical->tensors[i].shape);
      EXPECT_EQ(back->tensors[i].add, 0.0f) << "shifted twice: " << back->tensors[i].name;
    }
    const auto again = describe_source(spelled->config, stored);
    ASSERT_TRUE(again.ok());
    for (std::size_t i = 0; i < again->tensors.size(); ++i) {
      EXPECT_EQ(again->tensors[i].name, spelled->tensors[i].name);
      EXPECT_EQ(again->tensors[i].shape, spelled->tensors[i].shape);
      std::int64_t n = 0;
      for (const arch::Piece& p : again->tensors[i].pieces) n += p.n_rows * columns(stored[static_cast<std::size_t>(p.source)].shape);
      EXPECT_EQ(n, elements(again->tensors[i].shape)) << again->tensors[i].name;
    }
  }
}

// What arch adds to zero-centred norms depends on it (canonical_test.cpp). No listed family has them without a convolution so far.
TEST(Spelling, converted_copies_are_told_by_convolutions_or_else_by_the_format_of_their_files) {
  const auto is_converted = [](std::vector<TensorInfo> tensors, const std::string& file_format) {
    arch::SourceFacts facts{.file_format = file_format};
    unspell_family(*arch::find_family("llama"), &tensors, &facts);
    return facts.plain_norms;
  };
  const std::vector<TensorInfo> plain = dense("llama").tensors;
  EXPECT_FALSE(is_converted(plain, "pt"));
  EXPECT_FALSE(is_converted(plain, ""));
  EXPECT_TRUE(is_converted(plain, "mlx"));
  FakeModel published = qwen3_5(false, false), converted = published;
  for (TensorInfo& t : converted.tensors)
    if (t.name.ends_with("conv1d.weight")) t.shape = {192, 4, 1};
  for (const char* format : {"pt", "mlx", ""}) {
    EXPECT_FALSE(is_converted(published.tensors, format)) << format;
    EXPECT_TRUE(is_converted(converted.tensors, format)) << format;
  }
}

TEST(Spelling, stacks_convolutions_and_prefixes_are_the_classes) {
  const auto model = qwen3_5(true, true).describe();
  ASSERT_TRUE(model.ok());
  const arch::OutTensor* gate = find(*model, "language_model.model.layers.0.mlp.switch_mlp.gate_proj.weight");
  ASSERT_NE(gate, nullptr);
  EXPECT_EQ(gate->canonical, "model.layers.0.mlp.experts.gate_proj");
  EXPECT_EQ(gate->rule, "qwen3_5_moe: layers.*.mlp.switch_mlp.gate_proj");
  EXPECT_EQ(find(*model, "language_model.model.layers.0.linear_attn.conv1d.weight")->shape, (Shape{192, 4, 1}));
}

}  // namespace
}  // namespace jang::targets::mlx

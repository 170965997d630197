// SPDX-License-Identifier: Apache-2.0
#include "experiment/class_bits.h"

#include <gtest/gtest.h>

namespace jang::experiment {
namespace {

arch::OutTensor tensor_of_class(arch::Role role, int layer, Shape shape) {
  arch::OutTensor t;
  t.role = role;
  t.layer = layer;
  t.shape = std::move(shape);
  t.quantizable = true;
  return t;
}

TEST(ClassBits, means_count_the_values_of_a_class_and_layer) {
  const arch::OutTensor embedding = tensor_of_class(arch::Role::embedding, -1, {10, 4}),
                        small = tensor_of_class(arch::Role::attn_q, 2, {2, 4}), large = tensor_of_class(arch::Role::attn_q, 2, {6, 4}),
                        other = tensor_of_class(arch::Role::attn_q, 0, {2, 4});
  arch::OutTensor norm = tensor_of_class(arch::Role::norm, 1, {4});
  norm.quantizable = false;
  const TensorBits bits[] = {{&embedding, 4.5}, {&norm, 16}, {&small, 2}, {&large, 6}, {&other, 3}};
  const std::vector<ClassBits> classes = class_bits(3, bits);
  ASSERT_EQ(classes.size(), 2U);
  EXPECT_EQ(classes[0].name, arch::to_string(arch::Role::embedding));
  EXPECT_EQ(classes[0].bits, std::vector<double>{4.5});
  EXPECT_EQ(classes[1].name, arch::to_string(arch::Role::attn_q));
  EXPECT_EQ(classes[1].bits, (std::vector<double>{3, -1, 5}));
}

}  // namespace
}  // namespace jang::experiment

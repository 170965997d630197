// SPDX-License-Identifier: Apache-2.0
// Frozen role tables: one text file per listed family and layout, for every tensor outside the layers and of the first and last layer its
// name in the default target, its canonical name and its role, reviewed as a diff. With JANG_UPDATE_GOLDEN set the files are written anew.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "../support/paths.h"
#include "fake_model.h"

namespace jang::arch {
namespace {

std::string role_table(const Model& model) {
  std::string text = "# name, canonical name, role\n";
  for (const OutTensor& t : model.tensors)
    if (t.layer <= 0 || t.layer == model.n_layers - 1)
      text.append(t.name).append(" ").append(canonical_name(t)).append(" ").append(to_string(t.role)).append("\n");
  return text;
}

TEST(RoleTables, are_as_frozen) {
  int n_tables = 0;
  for (const testing::NamedModel& m : testing::all_models()) {
    const auto model = m.model.describe();
    ASSERT_TRUE(model.ok()) << m.name << ": " << model.status().message();
    const std::string path = test::source_dir() + "/tests/golden/roles/" + m.name + ".txt", table = role_table(*model);
    if (std::getenv("JANG_UPDATE_GOLDEN")) std::ofstream(path) << table;
    std::ostringstream frozen;
    frozen << std::ifstream(path).rdbuf();
    EXPECT_EQ(table, frozen.str()) << path;
    ++n_tables;
  }
  EXPECT_GE(n_tables, 65);
}

}  // namespace
}  // namespace jang::arch

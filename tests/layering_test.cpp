// SPDX-License-Identifier: Apache-2.0
// The architecture as a test. Every .cpp has a header of its name, and a file under src/ includes its own folder, strictly lower layers,
// include/jang and third parties. kLayers is the table of the design; a new folder is a new row, and so is a folder inside one that has a
// layer of its own (format/targets lies above arch, the rest of format beside it). Beyond layers: arch sees neither codec nor format and
// spells nothing as a target does, model sees no format, one kernel backend does not see another, front ends see the public API and
// themselves only, and simdjson's header belongs to json, format and text.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "support/paths.h"

namespace {

namespace fs = std::filesystem;

struct Layer {
  std::string_view folder;
  double layer;
  std::string_view forbidden;  // lower folders that it must not see all the same, separated by spaces
};
constexpr auto kLayers = std::to_array<Layer>({
    {"base", 0, ""},       {"tensor", 1, ""},
    {"json", 1, ""},       {"codec", 2, ""},
    {"format", 3, ""},     {"arch", 3, "codec format"},
    {"text", 3, ""},       {"format/targets", 3.5, ""},
    {"plan", 4, ""},       {"kernels", 4, "format arch text json"},
    {"quantize", 5, ""},   {"model", 5, "format"},
    {"engine", 6, ""},     {"eval", 7, ""},
    {"calibrate", 7, ""},  {"distill", 8, ""},
    {"experiment", 8, ""}, {"api", 9, ""},
    {"server", 10, ""},    {"cli", 10, ""},
});

const Layer* find_layer(std::string_view folder) {
  const auto row = std::find_if(kLayers.begin(), kLayers.end(), [&](const Layer& l) { return l.folder == folder; });
  return row == kLayers.end() ? nullptr : &*row;
}

// The row of a file: that of its two outer folders where there is one.
const Layer* layer_of(const std::vector<std::string>& path) {
  const Layer* inner = path.size() > 2 ? find_layer(path[0] + "/" + path[1]) : nullptr;
  return inner != nullptr ? inner : find_layer(path.front());
}

std::vector<std::string> components(const std::string& path) {
  std::vector<std::string> parts;
  for (const fs::path& part : fs::path(path)) parts.push_back(part.string());
  return parts;
}

// Front ends are customers of the library: they see include/jang and their own folder.
constexpr int kFrontEnds = 10;

bool lists(std::string_view words, std::string_view word) {
  std::istringstream stream{std::string(words)};
  for (std::string w; stream >> w;)
    if (w == word) return true;
  return false;
}

// kernels/<backend>/... sees kernels/*.h and its own backend.
bool crosses_backends(const std::vector<std::string>& from, const std::vector<std::string>& to) {
  return from.front() == "kernels" && from.size() > 2 && to.size() > 2 && from[1] != to[1];
}

// Why `file` (path below src/) must not include `target`, or "" when it may.
std::string violation(const std::string& file, const std::string& target, bool angle) {
  const std::vector<std::string> from = components(file), to = components(target);
  const Layer* self = layer_of(from);
  if (self == nullptr) return "folder is not in the table";
  if (to.front() == "simdjson.h") return lists("json format text", from.front()) ? "" : "simdjson.h belongs to json, format and text";
  if (to.front() == "jang") return "";
  const Layer* other = layer_of(to);
  if (other == nullptr || to.size() < 2) return angle ? "" : "quoted include is not a path below src/ or include/";
  if (self != other && self->layer == kFrontEnds) return "front ends see jang/ and their own folder only";
  if (self == other) return crosses_backends(from, to) ? "one backend includes another" : "";
  if (lists(self->forbidden, to.front())) return std::string(self->folder) + " must not see " + to.front();
  if (other->layer >= self->layer) return other->layer == self->layer ? "points sideways" : "points up";
  return "";
}

struct Include {
  std::string target;
  bool angle = false;
};

std::optional<Include> parse_include(std::string_view line) {
  const auto skip_spaces = [&] { line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size())); };
  skip_spaces();
  if (!line.starts_with('#')) return std::nullopt;
  line.remove_prefix(1);
  skip_spaces();
  if (!line.starts_with("include")) return std::nullopt;
  line.remove_prefix(7);
  skip_spaces();
  if (line.empty() || (line.front() != '"' && line.front() != '<')) return std::nullopt;
  const bool angle = line.front() == '<';
  const std::size_t end = line.find(angle ? '>' : '"', 1);
  if (end == std::string_view::npos) return std::nullopt;
  return Include{std::string(line.substr(1, end - 1)), angle};
}

std::vector<std::string> violations_in(const std::string& file, std::istream& text) {
  std::vector<std::string> found;
  int number = 0;
  for (std::string line; std::getline(text, line);) {
    ++number;
    const std::optional<Include> include = parse_include(line);
    if (!include) continue;
    const std::string why = violation(file, include->target, include->angle);
    if (!why.empty()) found.push_back("src/" + file + ":" + std::to_string(number) + " includes " + include->target + ": " + why);
  }
  return found;
}

std::vector<std::string> violations_of(const std::string& file, const std::string& text) {
  std::istringstream stream(text);
  return violations_in(file, stream);
}

bool is_source(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".h" || extension == ".cpp" || extension == ".cu" || extension == ".cuh" || extension == ".mm" ||
         extension == ".metal";
}

TEST(Layering, tree_has_no_include_that_points_up_or_sideways) {
  const fs::path src = fs::path(jang::test::source_dir()) / "src";
  int n_files = 0;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(src)) {
    if (!entry.is_regular_file() || !is_source(entry.path())) continue;
    ++n_files;
    std::ifstream stream(entry.path());
    ASSERT_TRUE(stream) << entry.path();
    for (const std::string& why : violations_in(fs::relative(entry.path(), src).string(), stream)) ADD_FAILURE() << why;
  }
  EXPECT_GT(n_files, 20);
}

// The graph computes nothing and starts no thread: it calls ops of a device, whose memory it cannot touch.
TEST(Layering, the_graph_has_no_arithmetic_threads_or_pointers_to_values) {
  int n_files = 0;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(fs::path(jang::test::source_dir()) / "src" / "model")) {
    if (!is_source(entry.path())) continue;
    ++n_files;
    std::ifstream stream(entry.path());
    const std::string text((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
    for (const std::string_view forbidden :
         {"<cmath>", "<thread>", "<mutex>", "<atomic>", "thread_pool", "float*", "double*", "kernels/cpu", "kernels/ops.h"})
      EXPECT_EQ(text.find(forbidden), std::string::npos) << entry.path() << " has " << forbidden;
  }
  EXPECT_GT(n_files, 10);
}

// A model in its own terms: what loaders call its parts, and what they make of them, is format/targets' business.
TEST(Layering, arch_spells_nothing_as_a_target_does) {
  int n_files = 0;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(fs::path(jang::test::source_dir()) / "src" / "arch")) {
    if (!is_source(entry.path())) continue;
    ++n_files;
    std::ifstream stream(entry.path());
    std::string text((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    for (const std::string_view spelling :
         {"mlx", "switch_mlp", "switchlinear", "to_quantized", "gptq", "awq", "compressed-tensors", "gguf"})
      EXPECT_EQ(text.find(spelling), std::string::npos) << entry.path() << " has " << spelling;
  }
  EXPECT_GT(n_files, 20);
}

// A .cpp has a header of its name in its folder. These few are written to a header of another name or place; what is listed is all.
struct Exemption {
  std::string_view file;    // below src/, a whole folder where it ends with a slash
  std::string_view header;  // from the root; empty: the file has no contract, it is the program
};
constexpr auto kHeaderElsewhere = std::to_array<Exemption>({
    {"cli/main.cpp", ""},
    {"base/status.cpp", "include/jang/status.h"},
    {"api/c_api.cpp", "include/jang/jang.h"},
    {"api/tasks.cpp", "include/jang/eval.h"},
    {"kernels/cpu/isa/", "src/kernels/cpu/isa/isa.h"},
    {"kernels/cpu/cpu_linear.cpp", "src/kernels/cpu/cpu_device.h"},  // the ops of one class, by subject
    {"kernels/cpu/cpu_attention.cpp", "src/kernels/cpu/cpu_device.h"},
    {"kernels/cpu/cpu_recurrent.cpp", "src/kernels/cpu/cpu_device.h"},
    {"kernels/cpu/cpu_experts.cpp", "src/kernels/cpu/cpu_device.h"},
    {"kernels/cuda/cuda_upload.cpp", "src/kernels/cuda/cuda_device.h"},
    {"kernels/cuda/cuda_linear.cpp", "src/kernels/cuda/cuda_device.h"},
    {"kernels/cuda/cuda_attention.cpp", "src/kernels/cuda/cuda_device.h"},
    {"kernels/cuda/cuda_step.cpp", "src/kernels/cuda/cuda_device.h"},
    {"kernels/cuda/cuda_recurrent.cpp", "src/kernels/cuda/cuda_device.h"},
    {"kernels/cuda/cuda_backward_rows.cpp", "src/kernels/cuda/cuda_backward.h"},
    {"kernels/cuda/cuda_backward_linear.cpp", "src/kernels/cuda/cuda_backward.h"},
    {"kernels/cuda/cuda_backward_attention.cpp", "src/kernels/cuda/cuda_backward.h"},
    {"kernels/cuda/cuda_backward_recurrent.cpp", "src/kernels/cuda/cuda_backward.h"},
    {"kernels/cpu/cpu_backward_rows.cpp", "src/kernels/cpu/cpu_backward.h"},
    {"kernels/cpu/cpu_backward_linear.cpp", "src/kernels/cpu/cpu_backward.h"},
    {"kernels/cpu/cpu_backward_attention.cpp", "src/kernels/cpu/cpu_backward.h"},
    {"kernels/cpu/cpu_backward_recurrent.cpp", "src/kernels/cpu/cpu_backward.h"},
    {"kernels/cpu/cpu_backward_scan.cpp", "src/kernels/cpu/cpu_backward.h"},
    {"kernels/cpu/cpu_backward_training.cpp", "src/kernels/cpu/cpu_backward.h"},
    {"kernels/cuda/cuda_backward_training.cpp", "src/kernels/cuda/cuda_backward.h"},
});

const Exemption* exemption_of(std::string_view file) {
  const auto row = std::find_if(kHeaderElsewhere.begin(), kHeaderElsewhere.end(),
                                [&](const Exemption& e) { return e.file.ends_with('/') ? file.starts_with(e.file) : file == e.file; });
  return row == kHeaderElsewhere.end() ? nullptr : &*row;
}

// The headers, from the root, that may declare what `file` (below src/) defines.
std::vector<std::string> headers_of(const std::string& file) {
  const std::string stem = file.substr(0, file.size() - std::string_view(".cpp").size());
  std::vector<std::string> headers = {"src/" + stem + ".h"};
  if (file.starts_with("api/")) headers.push_back("include/jang/" + stem.substr(4) + ".h");
  if (const Exemption* exempt = exemption_of(file)) headers.emplace_back(exempt->header);
  return headers;
}

TEST(Layering, every_cpp_has_a_header_of_its_name) {
  const fs::path root = jang::test::source_dir();
  std::vector<bool> needed(kHeaderElsewhere.size(), false);
  int n_files = 0;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root / "src")) {
    if (entry.path().extension() != ".cpp") continue;
    ++n_files;
    const std::string file = fs::relative(entry.path(), root / "src").string();
    const bool has_own = fs::exists(fs::path(entry.path()).replace_extension(".h"));
    if (const Exemption* exempt = exemption_of(file); exempt != nullptr && !has_own) {
      needed[static_cast<std::size_t>(exempt - kHeaderElsewhere.data())] = true;
      if (exempt->header.empty()) continue;
    }
    const std::vector<std::string> headers = headers_of(file);
    EXPECT_TRUE(std::ranges::any_of(headers, [&](const std::string& h) { return fs::is_regular_file(root / h); }))
        << "src/" << file << " has no header " << headers.front();
  }
  EXPECT_GT(n_files, 100);
  for (std::size_t i = 0; i < needed.size(); ++i) EXPECT_TRUE(needed[i]) << kHeaderElsewhere[i].file << " needs no exemption";
}

TEST(Layering, a_header_of_another_name_is_found) {
  EXPECT_EQ(headers_of("plan/budget.cpp"), std::vector<std::string>{"src/plan/budget.h"});
  EXPECT_EQ(headers_of("api/model.cpp"), (std::vector<std::string>{"src/api/model.h", "include/jang/model.h"}));
  EXPECT_EQ(headers_of("base/status.cpp"), (std::vector<std::string>{"src/base/status.h", "include/jang/status.h"}));
  EXPECT_EQ(headers_of("kernels/cpu/isa/avx2.cpp").back(), "src/kernels/cpu/isa/isa.h");
  EXPECT_EQ(headers_of("kernels/cpu/cpu_other.cpp").size(), 1u);
}

TEST(Layering, public_headers_include_only_public_headers) {
  int n_files = 0;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(fs::path(jang::test::source_dir()) / "include")) {
    if (!entry.is_regular_file()) continue;
    ++n_files;
    std::ifstream stream(entry.path());
    for (std::string line; std::getline(stream, line);) {
      const std::optional<Include> include = parse_include(line);
      if (!include) continue;
      const std::string first = components(include->target).front();
      EXPECT_TRUE(first == "jang" || (include->angle && find_layer(first) == nullptr)) << entry.path() << " includes " << include->target;
    }
  }
  EXPECT_GT(n_files, 0);
}

TEST(Layering, include_up_is_found) {
  const std::vector<std::string> found =
      violations_of("plan/budget.cpp", "// x\n#include \"plan/plan.h\"\n  # include \"quantize/convert.h\"\n");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0], "src/plan/budget.cpp:3 includes quantize/convert.h: points up");
}

TEST(Layering, include_sideways_is_found) {
  EXPECT_EQ(violations_of("arch/llama.cpp", "#include \"format/checkpoint.h\"\n").size(), 1u);
  EXPECT_EQ(violations_of("plan/plan.cpp", "#include \"kernels/device.h\"\n").size(), 1u);
  EXPECT_EQ(violations_of("json/json.cpp", "#include \"tensor/shape.h\"\n").size(), 1u);
}

TEST(Layering, targets_lie_between_arch_and_plan) {
  EXPECT_TRUE(violations_of("format/targets/mlx/mlx.cpp",
                            "#include \"arch/arch.h\"\n#include \"codec/affine.h\"\n#include \"format/checkpoint.h\"\n"
                            "#include \"format/targets/target.h\"\n")
                  .empty());
  EXPECT_TRUE(violations_of("plan/layout.cpp", "#include \"format/targets/target.h\"\n").empty());
  for (const char* from : {"arch/describe.cpp", "format/checkpoint.cpp", "text/tokenizer.cpp", "model/graph.cpp", "kernels/devices.cpp"})
    EXPECT_EQ(violations_of(from, "#include \"format/targets/target.h\"\n").size(), 1u) << from;
  EXPECT_EQ(violations_of("format/targets/mlx/mlx.cpp", "#include \"plan/plan.h\"\n").size(), 1u);
}

TEST(Layering, angle_brackets_do_not_hide_an_include) {
  EXPECT_EQ(violations_of("base/file.cpp", "#include <cli/options.h>\n").size(), 1u);
}

TEST(Layering, forbidden_lower_folders_are_found) {
  EXPECT_EQ(violations_of("arch/llama.cpp", "#include \"codec/affine.h\"\n").size(), 1u);
  EXPECT_EQ(violations_of("model/bind.cpp", "#include \"format/bundle.h\"\n").size(), 1u);
}

TEST(Layering, backends_do_not_see_each_other) {
  EXPECT_EQ(violations_of("kernels/cpu/isa/avx2.cpp", "#include \"kernels/ref/encode.h\"\n").size(), 1u);
  EXPECT_TRUE(violations_of("kernels/cpu/isa/avx2.cpp", "#include \"kernels/device.h\"\n#include \"kernels/cpu/isa/isa.h\"\n").empty());
  EXPECT_TRUE(violations_of("kernels/kernels.cpp", "#include \"kernels/ref/encode.h\"\n").empty());
}

TEST(Layering, simdjson_belongs_to_json_format_and_text) {
  EXPECT_EQ(violations_of("cli/doctor.cpp", "#include <simdjson.h>\n").size(), 1u);
  EXPECT_TRUE(violations_of("format/safetensors.cpp", "#include <simdjson.h>\n").empty());
  EXPECT_TRUE(violations_of("text/tokenizer/reader.cpp", "#include <simdjson.h>\n").empty());
}

TEST(Layering, unknown_folders_and_relative_includes_are_found) {
  EXPECT_EQ(violations_of("utils/strings.cpp", "#include <string>\n").size(), 1u);
  EXPECT_EQ(violations_of("plan/plan.cpp", "#include \"plan.h\"\n").size(), 1u);
  EXPECT_EQ(violations_of("plan/plan.cpp", "#include \"../cli/options.h\"\n").size(), 1u);
}

TEST(Layering, lower_layers_public_headers_and_third_parties_are_allowed) {
  EXPECT_TRUE(violations_of("api/convert.cpp",
                            "#include <vector>\n#include <fmt/format.h>\n#include \"jang/status.h\"\n#include \"base/file.h\"\n"
                            "#include \"quantize/convert.h\"\n// include \"nothing\"\n")
                  .empty());
}

TEST(Layering, front_ends_see_the_public_api_and_themselves) {
  EXPECT_TRUE(violations_of("cli/run.cpp", "#include <fmt/format.h>\n#include \"cli/options.h\"\n#include \"jang/session.h\"\n").empty());
  for (const char* include : {"base/file.h", "engine/engine.h", "api/access.h", "json/json.h"})
    EXPECT_EQ(violations_of("cli/run.cpp", "#include \"" + std::string(include) + "\"\n").size(), 1u) << include;
  EXPECT_EQ(violations_of("server/routes.cpp", "#include \"cli/options.h\"\n").size(), 1u);
}

}  // namespace

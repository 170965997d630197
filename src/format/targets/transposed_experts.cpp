// SPDX-License-Identifier: Apache-2.0
// Rows of the result are columns of the file: those that are asked for together are gathered line by line of the file.
#include "format/targets/transposed_experts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>
#include <vector>

#include "json/json.h"

namespace jang::format {
namespace {

struct TransposedType {
  std::string_view model_type;
  bool in_turns = false;  // columns of gate and up
};
constexpr TransposedType kTypes[] = {{"llama4"}, {"llama4_text"}, {"qwen3_vl_moe"}, {"gpt_oss", true}};
constexpr std::string_view kGateUp = ".experts.gate_up_proj", kDown = ".experts.down_proj", kBias = "_bias";
constexpr std::int64_t kMaxHidden = 1 << 20;

// Every step-th of the columns of every matrix [lines, columns] of `source` from the column `begin` on.
struct Choice {
  std::int64_t lines = 0, columns = 0, begin = 0, step = 1, n = 0;
};

// The chosen columns as rows of `lines` values.
class Columns final : public MadeTensor {
 public:
  Columns(StoredTensor source, Choice choice)
      : source_(std::move(source)),
        begin_(choice.begin),
        step_(choice.step),
        n_(choice.n),
        lines_(choice.lines),
        columns_(choice.columns) {}

  [[nodiscard]] Status read(const Checkpoint& c, std::uint64_t begin, std::span<std::byte> out) const override {
    const std::int64_t row_bytes = lines_ * size();
    std::vector<std::byte> rows;
    while (!out.empty()) {
      const std::int64_t at = static_cast<std::int64_t>(begin), row = at / row_bytes, skip = at % row_bytes;
      const std::int64_t wanted = (skip + static_cast<std::int64_t>(out.size()) + row_bytes - 1) / row_bytes;
      const std::int64_t n_rows = std::min(wanted, n_ - row % n_);
      rows.resize(static_cast<std::size_t>(n_rows * row_bytes));
      JANG_TRY(gather(c, row / n_, row % n_, n_rows, rows));
      const std::size_t n = std::min(out.size(), rows.size() - static_cast<std::size_t>(skip));
      std::memcpy(out.data(), rows.data() + skip, n);
      out = out.subspan(n);
      begin += n;
    }
    return {};
  }
  [[nodiscard]] std::uint64_t file_bytes() const override {
    return static_cast<std::uint64_t>(source_.info.bytes()) / static_cast<std::uint64_t>(columns_) * static_cast<std::uint64_t>(n_);
  }

 private:
  [[nodiscard]] std::int64_t size() const { return size_bytes(source_.info.dtype); }

  // Rows [row, row + n_rows) of one expert.
  Status gather(const Checkpoint& c, std::int64_t expert, std::int64_t row, std::int64_t n_rows, std::span<std::byte> out) const {
    const auto bytes = static_cast<std::size_t>(size());
    const auto stride = static_cast<std::size_t>(step_) * bytes;
    std::vector<std::byte> line(static_cast<std::size_t>(n_rows - 1) * stride + bytes);
    for (std::int64_t l = 0; l < lines_; ++l) {
      const std::int64_t first = (expert * lines_ + l) * columns_ + begin_ + row * step_;
      JANG_TRY(c.read(source_, static_cast<std::uint64_t>(first) * bytes, line));
      for (std::size_t r = 0; r < static_cast<std::size_t>(n_rows); ++r)
        std::memcpy(out.data() + (r * static_cast<std::size_t>(lines_) + static_cast<std::size_t>(l)) * bytes, line.data() + r * stride,
                    bytes);
    }
    return {};
  }

  StoredTensor source_;
  std::int64_t begin_, step_, n_, lines_, columns_;
};

class Straightener {
 public:
  Straightener(Checkpoint checkpoint, std::int64_t hidden, bool in_turns)
      : c_(std::move(checkpoint)), hidden_(hidden), in_turns_(in_turns) {}

  Result<Checkpoint> run() && {
    for (const StoredTensor& t : c_.tensors()) JANG_TRY(add(t));
    if (!any_) return std::move(c_);
    json::Value config = c_.config();
    return std::move(c_).with(std::move(config), std::move(tensors_));
  }

 private:
  Status add(const StoredTensor& t) {
    std::string_view name = t.info.name;
    const bool is_bias = in_turns_ && name.ends_with(kBias);
    if (is_bias) name.remove_suffix(kBias.size());
    const bool is_pair = name.ends_with(kGateUp), is_down = name.ends_with(kDown);
    const Shape& s = t.info.shape;
    const bool fits = is_bias ? s.size() == 2 : s.size() == 3 && is_transposed(name.substr(0, name.rfind('.')));
    if ((!is_pair && !is_down) || !fits) {
      tensors_.push_back(t);
      return {};
    }
    if (elements(s) == 0 || (is_pair && s.back() % 2 != 0))
      return {StatusCode::corrupt, fmt::format("{}: tensor {}: {} holds no experts of gate and up", c_.path(), t.info.name, to_string(s))};
    any_ = true;
    Choice choice{.lines = is_bias ? 1 : s[1], .columns = s.back(), .n = s.back()};
    if (is_down) {
      make(t, "down_proj", is_bias, choice);
      return {};
    }
    choice.n /= 2;
    if (in_turns_) choice.step = 2;
    make(t, "gate_proj", is_bias, choice);
    choice.begin = in_turns_ ? 1 : choice.n;
    make(t, "up_proj", is_bias, choice);
    return {};
  }

  // Whether experts have hidden_size where the transposed form has it. Where one tensor has it on both sides, the other one tells.
  [[nodiscard]] bool is_transposed(std::string_view owner) const {
    for (const auto& [leaf, side] : {std::pair{".gate_up_proj", std::size_t{1}}, {".down_proj", std::size_t{2}}}) {
      const int index = c_.find(std::string(owner) + leaf);
      if (index < 0) continue;
      const Shape& s = c_.tensors()[static_cast<std::size_t>(index)].info.shape;
      if (s.size() != 3) return false;
      if ((s[1] == hidden_) != (s[2] == hidden_)) return s[side] == hidden_;
      if (s[1] != hidden_) return false;
    }
    return true;
  }

  void make(const StoredTensor& t, std::string_view leaf, bool is_bias, const Choice& choice) {
    StoredTensor made;
    const std::string owner = t.info.name.substr(0, t.info.name.rfind('.'));
    Shape shape = is_bias ? Shape{t.info.shape[0], choice.n} : Shape{t.info.shape[0], choice.n, choice.lines};
    made.info = {fmt::format("{}.{}.{}", owner, leaf, is_bias ? "bias" : "weight"), t.info.dtype, std::move(shape), t.info.standing};
    made.file = t.file;
    made.made = std::make_shared<Columns>(t, choice);
    tensors_.push_back(std::move(made));
  }

  Checkpoint c_;
  const std::int64_t hidden_;
  const bool in_turns_;
  std::vector<StoredTensor> tensors_;
  bool any_ = false;
};

}  // namespace

Result<Checkpoint> with_upright_experts(Checkpoint checkpoint) {
  const json::Value& config = checkpoint.config();
  if (!config.is_object()) return checkpoint;
  const auto model_type = json::get_string(config, "model_type", "");
  const auto type = std::ranges::find(kTypes, model_type.ok() ? std::string_view(*model_type) : "", &TransposedType::model_type);
  const json::Value* text = json::find(config, "text_config");
  const auto hidden = json::get_int(text != nullptr && text->is_object() ? *text : config, "hidden_size", 0, 1, kMaxHidden);
  if (type == std::end(kTypes) || !hidden.ok() || *hidden == 0) return checkpoint;
  return Straightener(std::move(checkpoint), *hidden, type->in_turns).run();
}

bool is_upright_expert(const StoredTensor& tensor) { return dynamic_cast<const Columns*>(tensor.made.get()) != nullptr; }

}  // namespace jang::format

// SPDX-License-Identifier: Apache-2.0
// Loading: open, map, describe, bind. Nothing of the weights is read before the first forward.
#include "engine/engine.h"

#include <fmt/format.h>

#include <deque>
#include <map>
#include <mutex>
#include <new>

#include "arch/describe.h"
#include "base/mapped_file.h"
#include "engine/check_logits.h"
#include "engine/load_weights.h"
#include "engine/stop_ids.h"
#include "format/targets/bundle.h"

namespace jang::engine {
namespace {

class LoadedEngine final : public Engine {
 public:
  LoadedEngine(std::string directory, const LoadOptions& options) : directory_(std::move(directory)) {
    if (options.beside == nullptr) own_pool_.emplace(options.n_threads > 0 ? options.n_threads : available_threads());
    pool_ = options.beside == nullptr ? &*own_pool_ : &options.beside->pool();
    exact_ = options.precision == kernels::Precision::exact;
    kv_type_was_asked_ = options.kv_type.has_value();
    kv_type_ = options.kv_type.value_or(exact_ ? kernels::KvType::f32 : kernels::KvType::f16);
  }
  Status open(const LoadOptions& options);

  const std::string& directory() const override { return directory_; }
  const arch::Model& described() const override { return described_; }
  model::Decoder& decoder() override { return *decoder_; }
  kernels::Device& device() override { return *device_; }
  ThreadPool& pool() override { return *pool_; }
  bool is_bundle() const override { return is_bundle_; }
  std::uint64_t file_bytes() const override { return file_bytes_; }
  double stored_bits() const override { return stored_bits_; }
  Result<const text::Tokenizer*> tokenizer() const override;
  const std::vector<std::int32_t>& stop_ids() const override { return stop_.ids; }
  model::Sequence new_sequence(std::optional<kernels::KvType> kv_type) const override {
    return model::Sequence(caches_.at(kv_type.value_or(kv_type_)));
  }
  Status forward(std::span<const model::BatchItem> batch, std::span<const std::int32_t> tokens, std::vector<float>* hidden) override;
  Status logits(const float* hidden, std::int64_t n, float* out) override;
  Status logits(const kernels::Tensor& hidden, float* out) override;
  Status draw(const float* hidden, std::span<const double> at, std::int32_t* ids) override;

 private:
  Status read_stop_ids(const json::Value& config);
  Result<kernels::Tensor> predict(const float* hidden, std::int64_t n);
  Result<kernels::Tensor> predict(const kernels::Tensor& hidden);
  Status read_checked(const kernels::Tensor& logits, float* out);

  std::string directory_;
  std::optional<ThreadPool> own_pool_;
  ThreadPool* pool_ = nullptr;
  kernels::KvType kv_type_ = kernels::KvType::f32;
  bool kv_type_was_asked_ = false, exact_ = false;
  std::vector<MappedFile> files_;            // before the decoder: its views point into them
  std::deque<std::vector<std::byte>> made_;  // and these
  std::unique_ptr<kernels::Device> own_device_;
  kernels::Device* device_ = nullptr;
  arch::Model described_;
  std::optional<model::Decoder> decoder_;
  std::map<kernels::KvType, std::shared_ptr<model::CachePool>> caches_;
  model::Array hidden_, logits_, drawn_;  // of forward(), logits() and draw()
  bool is_bundle_ = false;
  std::uint64_t file_bytes_ = 0;
  double stored_bits_ = 0;
  StopTokens stop_;
  mutable std::once_flag tokenizer_once_;
  mutable std::optional<Result<text::Tokenizer>> tokenizer_;
};

Status LoadedEngine::open(const LoadOptions& options) {
  JANG_ASSIGN(const format::Bundle bundle, format::open_bundle(directory_, {.lenient = options.lenient}));
  is_bundle_ = !bundle.modules.empty();
  file_bytes_ = bundle.checkpoint.file_bytes();
  for (const InputFile& file : bundle.checkpoint.files()) {
    JANG_ASSIGN(MappedFile mapped, MappedFile::open(file.path(), file.size()));
    files_.push_back(std::move(mapped));
  }
  Result<LoadedWeights> read = load_weights(bundle, files_);
  JANG_TRY(bundle.checkpoint.settle(read.status(), read.ok() && arch::knows_tensors(read->described)));
  LoadedWeights loaded = std::move(read).value();
  described_ = std::move(loaded.described);
  made_ = std::move(loaded.made);
  stored_bits_ = loaded.parameters > 0 ? loaded.payload_bits / loaded.parameters : 0;
  if (options.beside == nullptr) {
    JANG_ASSIGN(own_device_, options.device ? options.device(pool_) : kernels::open_device(options.backend, pool_));
  }
  device_ = options.beside == nullptr ? own_device_.get() : &options.beside->device();
  JANG_ASSIGN(model::Decoder decoder, model::Decoder::create(described_, std::move(loaded.weights), *device_, options.precision));
  decoder_.emplace(std::move(decoder));
  for (const kernels::KvType type : {kernels::KvType::f32, kernels::KvType::f16, kernels::KvType::bf16, kernels::KvType::q8})
    caches_[type] = std::make_shared<model::CachePool>(*device_, decoder_->config(), type, options.cache_bytes);
  JANG_TRY(read_stop_ids(bundle.checkpoint.config()));
  if (options.observer == nullptr) return {};
  const std::vector<std::string>* const sources[] = {&bundle.checkpoint.warnings(), &described_.warnings, &stop_.warnings};
  for (const std::vector<std::string>* warnings : sources)
    for (const std::string& warning : *warnings) options.observer->warn(warning);
  return {};
}

// A token that is named by its text only has its id in the tokenizer. One that cannot be read is an error where it is used for text.
Status LoadedEngine::read_stop_ids(const json::Value& config) {
  JANG_ASSIGN(stop_, read_stop_tokens(directory_, config, decoder_->config().vocab));
  if (stop_.texts.empty()) return {};
  const Result<const text::Tokenizer*> tokenizer = this->tokenizer();
  if (!tokenizer.ok()) return {};
  for (const std::string& text : stop_.texts)
    if (const auto id = tokenizer.value()->token_id(text); id && *id < decoder_->config().vocab) stop_.add(*id);
  return {};
}

Result<const text::Tokenizer*> LoadedEngine::tokenizer() const {
  std::call_once(tokenizer_once_, [&] { tokenizer_.emplace(text::Tokenizer::load(directory_)); });
  JANG_TRY(tokenizer_->status());
  return &tokenizer_->value();
}

Status LoadedEngine::forward(std::span<const model::BatchItem> batch, std::span<const std::int32_t> tokens, std::vector<float>* hidden) {
  std::int64_t n = 0;
  for (const model::BatchItem& item : batch) n += item.n_tokens;
  if (n != static_cast<std::int64_t>(tokens.size()))
    return {StatusCode::invalid_argument, fmt::format("{} tokens given for a batch of {}", tokens.size(), n)};
  const std::int64_t width = decoder_->config().hidden;
  const auto no_memory = [&] { return Status(StatusCode::out_of_memory, fmt::format("no memory for the hidden states of {} tokens", n)); };
  try {
    hidden->resize(static_cast<std::size_t>(n * width));
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
  if (n == 0) return {};
  if (!hidden_.reserve(*device_, n * width)) return no_memory();
  const kernels::Tensor x = hidden_.matrix(n, width);
  JANG_TRY(decoder_->embed(tokens, x));
  const Status done = decoder_->layers(batch, 0, decoder_->config().n_layers(), x);
  if (done.code() == StatusCode::unsupported)  // the device found infinities in an f16 cache
    return {
        kv_type_was_asked_ ? StatusCode::invalid_argument : StatusCode::unsupported,
        fmt::format("{}: {}, and so an f16 cache; give --kv bf16 or --exact (eval and compare: no --fast)", directory_, done.message())};
  JANG_TRY(done);
  for (const model::BatchItem& item : batch) item.sequence->advance(item.n_tokens);
  return device_->read(x, hidden->data());
}

// Hidden states from the host to the device, and their predictions there.
Result<kernels::Tensor> LoadedEngine::predict(const float* hidden, std::int64_t n) {
  const std::int64_t width = decoder_->config().hidden;
  if (!hidden_.reserve(*device_, n * width))
    return Status(StatusCode::out_of_memory, fmt::format("no memory for {} rows of hidden states", n));
  const kernels::Tensor x = hidden_.matrix(n, width);
  JANG_TRY(device_->write(hidden, x));
  return predict(x);
}

Result<kernels::Tensor> LoadedEngine::predict(const kernels::Tensor& hidden) {
  const std::int64_t n = hidden.rows, vocab = decoder_->config().vocab;
  if (!logits_.reserve(*device_, n * vocab)) return Status(StatusCode::out_of_memory, fmt::format("no memory for {} rows of logits", n));
  const kernels::Tensor logits = logits_.matrix(n, vocab);
  JANG_TRY(decoder_->head(hidden, logits));
  return logits;
}

Status LoadedEngine::read_checked(const kernels::Tensor& logits, float* out) {
  JANG_TRY(device_->read(logits, out));
  const Status status = check_logits({out, static_cast<std::size_t>(logits.rows * logits.columns)}, logits.columns);
  if (status.ok()) return status;
  const std::string_view remedy = exact_
                                      ? "the weights are damaged"
                                      : "exact arithmetic (--exact; eval and compare: no --fast) has more range; if it says the same, the "
                                        "weights are damaged";
  return {status.code(), fmt::format("{}: {}; {}", directory_, status.message(), remedy)};
}

Status LoadedEngine::logits(const float* hidden, std::int64_t n, float* out) {
  if (n == 0) return {};
  JANG_ASSIGN(const kernels::Tensor logits, predict(hidden, n));
  return read_checked(logits, out);
}

Status LoadedEngine::logits(const kernels::Tensor& hidden, float* out) {
  JANG_ASSIGN(const kernels::Tensor logits, predict(hidden));
  return read_checked(logits, out);
}

Status LoadedEngine::draw(const float* hidden, std::span<const double> at, std::int32_t* ids) {
  const auto n = static_cast<std::int64_t>(at.size());
  if (n == 0) return {};
  JANG_ASSIGN(const kernels::Tensor logits, predict(hidden, n));
  if (!drawn_.reserve(*device_, n, DType::i32)) return {StatusCode::out_of_memory, fmt::format("no memory for {} tokens", n)};
  const kernels::Tensor drawn = drawn_.matrix(n, 1, DType::i32);
  device_->draw(logits, at, drawn);
  JANG_TRY(device_->read(drawn, ids));
  for (std::int64_t i = 0; i < n; ++i) {
    if (ids[i] >= 0) continue;
    std::vector<float> row(static_cast<std::size_t>(logits.columns));
    JANG_TRY(read_checked(logits.row_range(i, 1), row.data()));
    return {StatusCode::device, fmt::format("{}: the device drew no token from usable predictions", directory_)};
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::load(const std::string& directory, const LoadOptions& options) {
  auto engine = std::make_unique<LoadedEngine>(directory, options);
  if (const Status s = engine->open(options); !s.ok()) return s;
  return std::unique_ptr<Engine>(std::move(engine));
}

}  // namespace jang::engine

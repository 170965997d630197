// SPDX-License-Identifier: Apache-2.0
// The C API over the C++ one: handles, strings and statuses; exceptions of the standard library end here.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "jang/convert.h"
#include "jang/jang.h"
#include "jang/machine.h"
#include "jang/session.h"

struct jang_model {
  jang::Model model;
};
struct jang_session {
  jang::Session session;
};

namespace jang {
namespace {

static_assert(static_cast<int>(StatusCode::cancelled) == JANG_CANCELLED && static_cast<int>(StatusCode::io) == JANG_IO &&
              static_cast<int>(StoppedBy::interrupt) == JANG_STOPPED_BY_INTERRUPT);

thread_local std::string last_error;

jang_status tell(StatusCode code, std::string_view message) {
  try {
    last_error = message;
  } catch (const std::bad_alloc&) {
    last_error.clear();
  }
  return static_cast<jang_status>(code);
}

// Runs `work`, a Status; whatever is thrown becomes one.
template <typename Work>
jang_status guarded(const Work& work) {
  try {
    const Status status = work();
    return status.ok() ? JANG_OK : tell(status.code(), status.message());
  } catch (const std::bad_alloc&) {
    return tell(StatusCode::out_of_memory, "an allocation failed");
  } catch (const std::exception& error) {
    return tell(StatusCode::device, error.what());
  } catch (...) {
    return tell(StatusCode::device, "an exception of unknown type");
  }
}

Status missing(std::string_view what) { return {StatusCode::invalid_argument, std::string(what) + " is NULL"}; }

// The caller's options over the defaults, as far as the header it was built against knew them.
template <typename Options>
Result<Options> read_options(const Options* given, void (*init)(Options*)) {
  Options options;
  init(&options);
  if (given == nullptr) return options;
  if (given->size < sizeof(given->size)) return Status(StatusCode::invalid_argument, "options were not initialised");
  std::memcpy(&options, given, std::min(given->size, sizeof(options)));
  return options;
}

std::string text_or_empty(const char* text) { return text == nullptr ? std::string() : std::string(text); }

Status give_text(std::string_view text, char** out) {
  auto* copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (copy == nullptr) return {StatusCode::out_of_memory, "no memory for a text"};
  std::copy(text.begin(), text.end(), copy);
  copy[text.size()] = '\0';
  *out = copy;
  return {};
}

Status give_ids(std::span<const std::int32_t> ids, std::int32_t** out, std::size_t* n) {
  auto* copy = static_cast<std::int32_t*>(std::malloc(std::max<std::size_t>(ids.size_bytes(), 1)));
  if (copy == nullptr) return {StatusCode::out_of_memory, "no memory for token ids"};
  std::copy(ids.begin(), ids.end(), copy);
  *out = copy;
  *n = ids.size();
  return {};
}

Result<std::vector<Message>> read_messages(const jang_message* messages, std::size_t n) {
  if (messages == nullptr && n > 0) return missing("messages");
  std::vector<Message> list;
  for (const jang_message& message : std::span(messages, n)) {
    if (message.role == nullptr || message.content == nullptr) return missing("role or content of a message");
    list.push_back({message.role, message.content});
  }
  return list;
}

// Hands events to a callback, one at a time, and sets the cancel flag when it has had enough.
class CallbackObserver final : public Observer {
 public:
  CallbackObserver(jang_progress progress, void* user) : progress_(progress), user_(user) {}
  [[nodiscard]] const CancelFlag& cancel() const { return cancel_; }

  void phase(int n, int total, std::string_view name) override {
    phase_ = n;
    phases_ = total;
    send(JANG_EVENT_PHASE, 0, 0, name);
  }
  void tick(std::int64_t done, std::int64_t total, std::string_view label) override { send(JANG_EVENT_TICK, done, total, label); }
  void info(std::string_view message) override { send(JANG_EVENT_INFO, 0, 0, message); }
  void warn(std::string_view message) override { send(JANG_EVENT_WARN, 0, 0, message); }

 private:
  void send(jang_event_kind kind, std::int64_t done, std::int64_t total, std::string_view text) {
    if (progress_ == nullptr) return;
    const std::string copy(text);
    const std::lock_guard lock(mutex_);
    const jang_event event{kind, phase_, phases_, done, total, copy.c_str()};
    if (progress_(&event, user_) == 0) cancel_.store(true);
  }

  jang_progress progress_;
  void* user_;
  std::mutex mutex_;
  std::atomic<int> phase_ = 0, phases_ = 0;
  CancelFlag cancel_{false};
};

Result<ConvertOptions> convert_options(const jang_convert_options& o) {
  ConvertOptions options;
  if (o.profile != nullptr) options.plan.profile = o.profile;
  if (o.bits_per_weight > 0) options.plan.bits_per_weight = o.bits_per_weight;
  if (o.file_bytes > 0) options.plan.file_bytes = o.file_bytes;
  if (o.method != nullptr) {
    JANG_ASSIGN(options.plan.method, method_named(o.method));
  }
  options.plan.self_calibrate = o.self_calibrate != 0;
  options.plan.statistics_file = text_or_empty(o.statistics_file);
  options.plan.plan_file = text_or_empty(o.plan_file);
  options.output = text_or_empty(o.output);
  options.force = o.force != 0;
  return options;
}

RunOptions run_options(const jang_convert_options& o, CallbackObserver& observer) {
  RunOptions run;
  run.threads = o.threads;
  run.backend = text_or_empty(o.backend);
  run.lenient = o.lenient != 0;
  run.observer = &observer;
  run.cancel = &observer.cancel();
  return run;
}

}  // namespace
}  // namespace jang

using namespace jang;

extern "C" {

const char* jang_error_message(void) { return last_error.c_str(); }
const char* jang_version(void) { return version().data(); }  // of a literal
void jang_free(void* memory) { std::free(memory); }

void jang_model_options_init(jang_model_options* options) { *options = {sizeof(*options), 0, 0, 0, nullptr}; }

jang_status jang_model_open(const char* directory, const jang_model_options* options, jang_model** model) {
  return guarded([&]() -> Status {
    if (directory == nullptr || model == nullptr) return missing("directory or model");
    JANG_ASSIGN(const jang_model_options given, read_options(options, jang_model_options_init));
    ModelOptions how;
    how.threads = given.threads;
    how.arithmetic = given.exact != 0 ? Arithmetic::exact : Arithmetic::fast;
    how.lenient = given.lenient != 0;
    how.backend = text_or_empty(given.backend);
    JANG_ASSIGN(Model opened, Model::open(directory, how));
    *model = new jang_model{std::move(opened)};
    return {};
  });
}

void jang_model_free(jang_model* model) { delete model; }
int64_t jang_model_vocab_size(const jang_model* model) { return model->model.vocab_size(); }
int64_t jang_model_context_length(const jang_model* model) { return model->model.context_length(); }

jang_status jang_tokenize(const jang_model* model, const char* text, int32_t add_special, int32_t** ids, size_t* n_ids) {
  return guarded([&]() -> Status {
    if (model == nullptr || text == nullptr || ids == nullptr || n_ids == nullptr) return missing("model, text, ids or n_ids");
    JANG_ASSIGN(const Tokenizer tokenizer, model->model.tokenizer());
    JANG_ASSIGN(const std::vector<std::int32_t> encoded, tokenizer.encode(text, {.add_special_tokens = add_special != 0}));
    return give_ids(encoded, ids, n_ids);
  });
}

jang_status jang_detokenize(const jang_model* model, const int32_t* ids, size_t n_ids, int32_t skip_special, char** text) {
  return guarded([&]() -> Status {
    if (model == nullptr || text == nullptr || (ids == nullptr && n_ids > 0)) return missing("model, ids or text");
    JANG_ASSIGN(const Tokenizer tokenizer, model->model.tokenizer());
    return give_text(tokenizer.decode({ids, n_ids}, skip_special != 0), text);
  });
}

jang_status jang_chat_text(const jang_model* model, const jang_message* messages, size_t n_messages, char** text) {
  return guarded([&]() -> Status {
    if (model == nullptr || text == nullptr) return missing("model or text");
    JANG_ASSIGN(const std::vector<Message> list, read_messages(messages, n_messages));
    JANG_ASSIGN(const ChatTemplate chat_template, model->model.chat_template());
    JANG_ASSIGN(const std::string rendered, chat_template.render(list));
    return give_text(rendered, text);
  });
}

jang_status jang_chat_tokenize(const jang_model* model, const jang_message* messages, size_t n_messages, int32_t** ids, size_t* n_ids) {
  return guarded([&]() -> Status {
    if (model == nullptr || ids == nullptr || n_ids == nullptr) return missing("model, ids or n_ids");
    JANG_ASSIGN(const std::vector<Message> list, read_messages(messages, n_messages));
    JANG_ASSIGN(const ChatTemplate chat_template, model->model.chat_template());
    JANG_ASSIGN(const Tokenizer tokenizer, model->model.tokenizer());
    JANG_ASSIGN(const std::vector<std::int32_t> tokens, chat_template.tokens(tokenizer, list));
    return give_ids(tokens, ids, n_ids);
  });
}

void jang_session_options_init(jang_session_options* options) {
  const SamplingOptions s;
  *options = {sizeof(*options),   s.temperature,       s.top_k,         s.top_p, s.min_p, s.repeat_penalty,
              s.presence_penalty, s.frequency_penalty, s.repeat_last_n, s.seed,  0};
}

jang_status jang_session_create(const jang_model* model, const jang_session_options* options, jang_session** session) {
  return guarded([&]() -> Status {
    if (model == nullptr || session == nullptr) return missing("model or session");
    JANG_ASSIGN(const jang_session_options o, read_options(options, jang_session_options_init));
    SessionOptions how;
    how.sampling = {o.temperature,       o.top_k,         o.top_p, o.min_p, o.repeat_penalty, o.presence_penalty,
                    o.frequency_penalty, o.repeat_last_n, o.seed};
    how.context_length = o.context_length;
    JANG_ASSIGN(Session created, Session::create(model->model, how));
    *session = new jang_session{std::move(created)};
    return {};
  });
}

void jang_session_free(jang_session* session) { delete session; }

jang_status jang_session_set_prompt(jang_session* session, const int32_t* ids, size_t n_ids) {
  return guarded([&]() -> Status {
    if (session == nullptr || (ids == nullptr && n_ids > 0)) return missing("session or ids");
    return session->session.set_prompt({ids, n_ids});
  });
}

jang_status jang_session_generate(jang_session* session, int64_t max_tokens, jang_receiver receiver, void* user,
                                  jang_stopped_by* stopped_by) {
  return guarded([&]() -> Status {
    if (session == nullptr || receiver == nullptr) return missing("session or receiver");
    const auto receive = [&](std::string_view piece) { return receiver(std::string(piece).c_str(), user) != 0; };
    JANG_ASSIGN(const Answer answer, session->session.generate(receive, {.max_tokens = max_tokens}));
    if (stopped_by != nullptr) *stopped_by = static_cast<jang_stopped_by>(answer.stopped_by);
    return {};
  });
}

void jang_convert_options_init(jang_convert_options* options) {
  *options = {};
  options->size = sizeof(*options);
}

jang_status jang_plan(const char* source, const jang_convert_options* options, jang_progress progress, void* user, char** document) {
  return guarded([&]() -> Status {
    if (source == nullptr || document == nullptr) return missing("source or document");
    JANG_ASSIGN(const jang_convert_options given, read_options(options, jang_convert_options_init));
    CallbackObserver observer(progress, user);
    JANG_ASSIGN(const ConvertOptions converting, convert_options(given));
    JANG_ASSIGN(const PlanReport plan, plan_model(source, converting.plan, run_options(given, observer)));
    return give_text(plan.document, document);
  });
}

jang_status jang_convert(const char* source, const jang_convert_options* options, jang_progress progress, void* user, char** output) {
  return guarded([&]() -> Status {
    if (source == nullptr) return missing("source");
    JANG_ASSIGN(const jang_convert_options given, read_options(options, jang_convert_options_init));
    CallbackObserver observer(progress, user);
    JANG_ASSIGN(const ConvertOptions converting, convert_options(given));
    JANG_ASSIGN(const ConvertReport done, convert_model(source, converting, run_options(given, observer)));
    return output == nullptr ? Status() : give_text(done.output, output);
  });
}

}  // extern "C"

/* SPDX-License-Identifier: Apache-2.0
 * The C API as a C11 program uses it, linked to the shared library: a model of the source tree is converted, opened, tokenized and
 * continued. Usage: c_api MODEL WORK. Ends with 0 when everything holds. */
#include "jang/jang.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures = 0;

#define EXPECT(condition)                                                                        \
  do {                                                                                           \
    if (!(condition)) {                                                                          \
      fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, jang_error_message()); \
      ++failures;                                                                                \
    }                                                                                            \
  } while (0)

typedef struct seen {
  int phases, ticks;
  int64_t done, total;
  int stop_at_phase;
} seen;

static int32_t count_events(const jang_event* event, void* user) {
  seen* s = user;
  if (event->kind == JANG_EVENT_PHASE) {
    ++s->phases;
    EXPECT(event->phase <= event->phases && strlen(event->text) > 0);
    if (event->phase == s->stop_at_phase) return 0;
  }
  if (event->kind == JANG_EVENT_TICK) {
    ++s->ticks;
    s->done = event->done;
    s->total = event->total;
  }
  return 1;
}

typedef struct text {
  char bytes[4096];
  int pieces, most;
} text;

static int32_t append(const char* piece, void* user) {
  text* t = user;
  strncat(t->bytes, piece, sizeof t->bytes - strlen(t->bytes) - 1);
  return ++t->pieces < t->most;
}

static void test_conversion(const char* model, const char* output) {
  jang_convert_options options;
  jang_convert_options_init(&options);
  options.profile = "4K";
  options.output = output;
  options.threads = 1;
  seen stopped = {0, 0, 0, 0, 3};
  EXPECT(jang_convert(model, &options, count_events, &stopped, NULL) == JANG_CANCELLED);
  seen all = {0, 0, 0, 0, 0};
  char* made = NULL;
  EXPECT(jang_convert(model, &options, count_events, &all, &made) == JANG_OK);
  EXPECT(made != NULL && strcmp(made, output) == 0);
  EXPECT(all.phases == 4 && all.ticks > 0 && all.done == all.total);
  jang_free(made);
  EXPECT(jang_convert(model, &options, NULL, NULL, NULL) == JANG_INVALID_ARGUMENT); /* it exists */
  EXPECT(strstr(jang_error_message(), "exists already") != NULL);
  char* document = NULL;
  EXPECT(jang_plan(model, &options, NULL, NULL, &document) == JANG_OK);
  EXPECT(document != NULL && strstr(document, "JANG_4K") != NULL);
  jang_free(document);
}

static void test_text(const jang_model* model) {
  int32_t* ids = NULL;
  size_t n = 0;
  EXPECT(jang_tokenize(model, "It was the best", 0, &ids, &n) == JANG_OK);
  EXPECT(n > 0);
  char* back = NULL;
  EXPECT(jang_detokenize(model, ids, n, 1, &back) == JANG_OK);
  EXPECT(back != NULL && strcmp(back, "It was the best") == 0);
  jang_free(back);
  jang_free(ids);
  EXPECT(jang_tokenize(model, "\xff", 0, &ids, &n) == JANG_CORRUPT);
  const jang_message hello = {"user", "Hello!"};
  char* rendered = NULL;
  EXPECT(jang_chat_text(model, &hello, 1, &rendered) == JANG_NOT_FOUND); /* this model was not made for conversations */
}

static void test_session(jang_model* model) {
  jang_session_options options;
  jang_session_options_init(&options);
  EXPECT(options.top_k == 40 && options.size == sizeof options);
  options.temperature = 0;
  jang_session* session = NULL;
  EXPECT(jang_session_create(model, &options, &session) == JANG_OK);
  int32_t* ids = NULL;
  size_t n = 0;
  EXPECT(jang_tokenize(model, "It was the", 1, &ids, &n) == JANG_OK);
  jang_model_free(model); /* the session goes on */
  EXPECT(jang_session_set_prompt(session, ids, n) == JANG_OK);
  static text first, second;
  first.most = second.most = 1000;
  jang_stopped_by why = JANG_STOPPED_BY_END;
  EXPECT(jang_session_generate(session, 8, append, &first, &why) == JANG_OK);
  EXPECT(why == JANG_STOPPED_BY_LENGTH && strlen(first.bytes) > 0);
  EXPECT(jang_session_set_prompt(session, ids, n) == JANG_OK);
  second.most = 1;
  EXPECT(jang_session_generate(session, 8, append, &second, &why) == JANG_OK);
  EXPECT(why == JANG_STOPPED_BY_INTERRUPT && second.pieces == 1);
  EXPECT(strncmp(first.bytes, second.bytes, strlen(second.bytes)) == 0);
  jang_free(ids);
  jang_session_free(session);
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  EXPECT(strlen(jang_version()) > 0);
  test_conversion(argv[1], argv[2]);
  jang_model* model = NULL;
  EXPECT(jang_model_open("/no/such/directory", NULL, &model) == JANG_NOT_FOUND);
  EXPECT(jang_model_open(NULL, NULL, &model) == JANG_INVALID_ARGUMENT);
  EXPECT(model == NULL && strlen(jang_error_message()) > 0);
  jang_model_options options;
  jang_model_options_init(&options);
  options.threads = 1;
  options.exact = 1;
  if (jang_model_open(argv[2], &options, &model) != JANG_OK) {
    fprintf(stderr, "%s\n", jang_error_message());
    return 1;
  }
  EXPECT(jang_model_vocab_size(model) > 0 && jang_model_context_length(model) > 0);
  test_text(model);
  test_session(model);
  if (failures == 0) puts("all held");
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

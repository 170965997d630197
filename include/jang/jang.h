/* SPDX-License-Identifier: Apache-2.0
 * The C API of libjang, for C11 and for languages that call C.
 *
 * Functions that can fail return a jang_status; jang_error_message() then says what failed, on the thread that called. Handles are opaque
 * and freed by their own function, which takes NULL. Strings and arrays that a call gives out are the caller's, freed by jang_free().
 * Strings are UTF-8 and end in a zero byte. Options begin with their size, set by their jang_..._init(), so that a program built against an
 * older header works with a newer library. A model may be used by several threads, as long as no two compute with it at once (generating,
 * setting a prompt); a session belongs to one thread at a time. No C++ exception leaves the library. */
#ifndef JANG_JANG_H
#define JANG_JANG_H

#include <stddef.h>
#include <stdint.h>

#include "jang/export.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum jang_status {
  JANG_OK = 0,
  JANG_INVALID_ARGUMENT = 1, /* the caller asked for something impossible */
  JANG_NOT_FOUND = 2,        /* a file, tensor or key that must exist does not */
  JANG_CORRUPT = 3,          /* outside data breaks its format */
  JANG_UNSUPPORTED = 4,      /* valid, but not something this version handles */
  JANG_IO = 5,               /* the operating system failed a read or a write */
  JANG_OUT_OF_MEMORY = 6,
  JANG_DEVICE = 7,
  JANG_CANCELLED = 8
} jang_status;

/* Of the last call on this thread that failed. Valid until the next one that fails; never NULL. */
JANG_API const char* jang_error_message(void);
/* Of the library, "0.1.0". */
JANG_API const char* jang_version(void);
/* Frees what a call gave out. Takes NULL. */
JANG_API void jang_free(void* memory);

/* Models ------------------------------------------------------------------------------------------------------------------------------ */

typedef struct jang_model jang_model;

typedef struct jang_model_options {
  size_t size;
  int32_t threads;     /* 0: all that this process may use */
  int32_t exact;       /* nonzero: float32 arithmetic throughout */
  int32_t lenient;     /* nonzero: take the likeliest reading of files that contradict each other */
  const char* backend; /* "ref", "avx2", ...; NULL: the fastest available */
} jang_model_options;
JANG_API void jang_model_options_init(jang_model_options* options);

/* Opens a model directory, converted or not. `options` may be NULL. */
JANG_API jang_status jang_model_open(const char* directory, const jang_model_options* options, jang_model** model);
/* Sessions keep what they need of their model: it may be freed before them. */
JANG_API void jang_model_free(jang_model* model);
JANG_API int64_t jang_model_vocab_size(const jang_model* model);
JANG_API int64_t jang_model_context_length(const jang_model* model); /* tokens it was made for */

/* Text -------------------------------------------------------------------------------------------------------------------------------- */

/* Ids of `text`. add_special: nonzero for begin and end tokens as the tokenizer's own encode adds them. */
JANG_API jang_status jang_tokenize(const jang_model* model, const char* text, int32_t add_special, int32_t** ids, size_t* n_ids);
/* Text of ids, valid UTF-8. skip_special: nonzero leaves special tokens out. */
JANG_API jang_status jang_detokenize(const jang_model* model, const int32_t* ids, size_t n_ids, int32_t skip_special, char** text);

typedef struct jang_message {
  const char* role; /* "system", "user", "assistant" */
  const char* content;
} jang_message;

/* The prompt that asks for the answer to the messages, as the model's chat template writes it; as text, and as ids in which no message can
 * forge a control token. JANG_NOT_FOUND: the model has no chat template. */
JANG_API jang_status jang_chat_text(const jang_model* model, const jang_message* messages, size_t n_messages, char** text);
JANG_API jang_status jang_chat_tokenize(const jang_model* model, const jang_message* messages, size_t n_messages, int32_t** ids,
                                        size_t* n_ids);

/* Generation -------------------------------------------------------------------------------------------------------------------------- */

typedef struct jang_session jang_session;

typedef struct jang_session_options {
  size_t size;
  double temperature; /* <= 0: the likeliest token */
  int32_t top_k;      /* <= 0: all */
  double top_p;
  double min_p;
  double repeat_penalty;
  double presence_penalty;
  double frequency_penalty;
  int32_t repeat_last_n;
  uint64_t seed;
  int64_t context_length; /* tokens of prompt and answer; 0: what the model was made for */
} jang_session_options;
JANG_API void jang_session_options_init(jang_session_options* options);

/* `options` may be NULL. */
JANG_API jang_status jang_session_create(const jang_model* model, const jang_session_options* options, jang_session** session);
JANG_API void jang_session_free(jang_session* session);
/* Makes the session hold these tokens; what it held of them already is not computed again. */
JANG_API jang_status jang_session_set_prompt(jang_session* session, const int32_t* ids, size_t n_ids);

/* Gets an answer piece by piece: complete characters, ending in a zero byte. Returns nonzero to go on. */
typedef int32_t (*jang_receiver)(const char* piece, void* user);

typedef enum jang_stopped_by {
  JANG_STOPPED_BY_END = 0,      /* the model ended its text */
  JANG_STOPPED_BY_LENGTH = 1,   /* max_tokens */
  JANG_STOPPED_BY_CONTEXT = 2,  /* prompt and answer fill the context */
  JANG_STOPPED_BY_INTERRUPT = 3 /* the receiver */
} jang_stopped_by;

/* Generates behind what the session holds. max_tokens -1: until the text ends or the context is full. `stopped_by` may be NULL. */
JANG_API jang_status jang_session_generate(jang_session* session, int64_t max_tokens, jang_receiver receiver, void* user,
                                           jang_stopped_by* stopped_by);

/* Conversion -------------------------------------------------------------------------------------------------------------------------- */

typedef enum jang_event_kind {
  JANG_EVENT_PHASE = 0, /* phase, phases, text: its name */
  JANG_EVENT_TICK = 1,  /* done, total: bytes of the source; text: what is worked on */
  JANG_EVENT_INFO = 2,  /* text */
  JANG_EVENT_WARN = 3   /* text */
} jang_event_kind;

typedef struct jang_event {
  jang_event_kind kind;
  int32_t phase, phases;
  int64_t done, total;
  const char* text; /* until the callback returns */
} jang_event;

/* Told of the progress of long work, on any thread, one call at a time. Returns nonzero to go on; else the work cleans up and returns
 * JANG_CANCELLED. */
typedef int32_t (*jang_progress)(const jang_event* event, void* user);

typedef struct jang_convert_options {
  size_t size;
  const char* profile;         /* "4K", "JANG_2S", "auto", ...; NULL: the default */
  double bits_per_weight;      /* a budget: stored bits per weight, at most; 0: none */
  uint64_t file_bytes;         /* a budget: bytes of the weight files, at most; 0: none */
  const char* method;          /* "fit", "rtn", "gptq", "awq", "awq+rtn", "awq+gptq"; NULL: fit */
  int32_t self_calibrate;      /* nonzero: calibrates on text that the model samples, first */
  const char* statistics_file; /* of an earlier calibration; NULL: none */
  const char* plan_file;       /* a plan to follow; NULL: none */
  const char* output;          /* the directory to make; NULL: "<name>-<profile>" in the working directory */
  int32_t force;               /* nonzero: replaces an output that exists, once the new one is complete */
  int32_t threads;             /* 0: all that this process may use */
  int32_t lenient;
  const char* backend;
} jang_convert_options;
JANG_API void jang_convert_options_init(jang_convert_options* options);

/* What a conversion of this source directory would do, as a JSON document. `options`, `progress` and `user` may be NULL. */
JANG_API jang_status jang_plan(const char* source, const jang_convert_options* options, jang_progress progress, void* user,
                               char** document);
/* Converts. `output`, which may be NULL, gets the directory made, which appears complete and checked or not at all. */
JANG_API jang_status jang_convert(const char* source, const jang_convert_options* options, jang_progress progress, void* user,
                                  char** output);

#ifdef __cplusplus
}
#endif

#endif /* JANG_JANG_H */

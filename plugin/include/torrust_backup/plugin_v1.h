/* SPDX-License-Identifier: MIT */
/*
 * The interface between Torrust Backup and a program that hosts it, version 1.
 *
 * A host loads torrust_backup.so, looks up `tbk_plugin_get_v1` (the only exported symbol), checks
 * abi_version, and calls `run` with a verb: "render", "plan", "configure", "verify", "run",
 * "restore", "list", "status", "acknowledge", "version". All text is UTF-8. Nothing is allocated on
 * one side and freed on the other. The plugin never prints, exits, or changes signals, locale,
 * umask or working directory; it calls back only on the thread that called it; calls on different
 * threads do not disturb each other. Never unload it. A complete host is docs/examples/host.c.
 */
#ifndef TORRUST_BACKUP_PLUGIN_V1_H
#define TORRUST_BACKUP_PLUGIN_V1_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TBK_ABI_VERSION 1u

/* Flags of a request. */
#define TBK_DRY_RUN 1u /* tell what would be done; change nothing on the VM */
/* run returns 0; the error is filled, and logged as a warning */
#define TBK_FAILURE_IS_WARNING 2u

/* Levels of a log line. */
#define TBK_LEVEL_ERROR 0
#define TBK_LEVEL_WARNING 1
#define TBK_LEVEL_INFO 2
#define TBK_LEVEL_DETAIL 3
#define TBK_LEVEL_DEBUG 4

/* Kinds of an error: the deployer's ErrorKind, in its order. */
#define TBK_ERROR_KIND_TEMPLATE_RENDERING 0
#define TBK_ERROR_KIND_INFRASTRUCTURE_OPERATION 1
#define TBK_ERROR_KIND_NETWORK_CONNECTIVITY 2
#define TBK_ERROR_KIND_COMMAND_EXECUTION 3
#define TBK_ERROR_KIND_TIMEOUT 4
#define TBK_ERROR_KIND_FILE_SYSTEM 5
#define TBK_ERROR_KIND_CONFIGURATION 6
#define TBK_ERROR_KIND_STATE_PERSISTENCE 7

/* What the host wants done. Borrowed for the call; pointers are NULL where there is nothing to say.
 */
typedef struct tbk_request_v1 {
    uint32_t struct_size; /* sizeof of the host's struct */
    uint32_t flags;
    const char *verb;
    const char *environment;  /* the deployer's name of it; NULL where none is meant, or all are */
    const char *working_dir;  /* the deployer's --working-dir; NULL = "." */
    const char *options_json; /* a JSON object, docs/schemas/request.schema.json; NULL = {} */
} tbk_request_v1;

/* What the plugin may call during run(). Functions may be NULL. */
typedef struct tbk_host_v1 {
    uint32_t struct_size;
    uint32_t abi_version; /* TBK_ABI_VERSION that the host was compiled with */
    void *user;           /* given back in each call */
    void (*step_started)(void *user, uint32_t number, uint32_t total, const char *title);
    void (*step_completed)(void *user, uint32_t number, uint32_t total, const char *title);
    /* total_bytes is 0 when it is not known. */
    void (*progress)(void *user, const char *phase, uint64_t done_bytes, uint64_t total_bytes);
    void (*log)(void *user, int32_t level, const char *phase, const char *message);
    int32_t (*cancelled)(void *user); /* not 0: stop soon, leaving nothing half done */
} tbk_host_v1;

/* Filled by run() when something failed. The host sets struct_size before. */
typedef struct tbk_error_v1 {
    uint32_t struct_size;
    int32_t exit_status; /* 0 = no error; else as the command line ends, docs/operate.md */
    int32_t kind;        /* TBK_ERROR_KIND_... */
    uint32_t reserved;
    char code[32];      /* "SPACE", "NETWORK", ...: stable */
    char step[64];      /* the step in which it failed; "" = before the first */
    char message[1536]; /* what, where, why */
    char tip[512];      /* how to fix it, in one line */
    char help[1024];    /* more to try, several lines */
} tbk_error_v1;

typedef struct tbk_plugin_v1 {
    uint32_t struct_size;
    uint32_t abi_version; /* TBK_ABI_VERSION of the plugin */
    const char *version;  /* of the product */
    /*
     * Returns the exit status of the command line: 0 is success.
     * result_json (may be NULL) gets the result, NUL at its end, also of a failed verb that has
     * one. A result that does not fit is cut to "". result_needed (may be NULL) is its size with
     * the NUL; it can also be read from build/<environment>/torrust-backup/last-<verb>.json.
     */
    int32_t (*run)(const tbk_request_v1 *request, const tbk_host_v1 *host, char *result_json,
                   uint64_t result_size, uint64_t *result_needed, tbk_error_v1 *err);
} tbk_plugin_v1;

/* Never NULL; constant for the life of the process. */
const tbk_plugin_v1 *tbk_plugin_get_v1(void);
typedef const tbk_plugin_v1 *(*tbk_plugin_get_v1_function)(void);

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The desired state of a deployment on its VM: one list of items, each as it is wanted and as it
 * was found, with what is to be done about it and why.
 *
 * `plan` prints the list, `configure` applies it, `status` and `verify` look for drift in it.
 * All of this is pure; what is found there is gathered by commands/host_facts.h.
 */
#ifndef TBK_DOMAIN_DEPLOYMENT_H
#define TBK_DOMAIN_DEPLOYMENT_H

#include "base/digest.h"
#include "domain/host_layout.h"
#include "domain/options.h"

#include <sys/types.h>

/* --- what is wanted --- */

/* Of a processor: what a program can be built for. */
typedef enum tbk_architecture { TBK_ARCHITECTURE_AMD64, TBK_ARCHITECTURE_ARM64 } tbk_architecture;

/* As `uname -m` says it on such a machine: "x86_64", "aarch64". */
const char *tbk_architecture_machine(tbk_architecture architecture);
/* As a container image says it: "amd64", "arm64"; fails with TBK_E_CONFIG. */
bool tbk_architecture_parse(const char *name, tbk_architecture *out, tbk_error *err) TBK_MUST_CHECK;

typedef struct tbk_rendered_file {
    const char *name;   /* "compose.yml": below build/<env>/torrust-backup/ */
    const char *target; /* "/opt/torrust-backup/compose.yml": on the VM */
    mode_t mode;
    const char *bytes;
    size_t length;
    tbk_digest digest;
    bool is_secret; /* it is not shown, and written nowhere but on the VM */
} tbk_rendered_file;

#define TBK_RENDERED_FILES_MAX 8
#define TBK_SECRET_FILES_MAX 3
#define TBK_INSTALLED_FILES_MAX (TBK_RENDERED_FILES_MAX + TBK_SECRET_FILES_MAX)

typedef struct tbk_rendering {
    tbk_rendered_file files[TBK_RENDERED_FILES_MAX]; /* in the order in which they are installed */
    size_t count;
} tbk_rendering;

/* What the operator has for the service `outbound`, with their places on the VM. */
typedef struct tbk_secrets {
    tbk_rendered_file files[TBK_SECRET_FILES_MAX];
    size_t count; /* 0: nothing goes off-site */
} tbk_secrets;

/* A container image that is uploaded. */
typedef struct tbk_image_facts {
    const char *tag;
    uint64_t size_bytes; /* of what is uploaded */
} tbk_image_facts;

/* What the deployer and the operator said, resolved. */
typedef struct tbk_deployment {
    const tbk_options *options;
    const tbk_rendering *rendering;
    const tbk_secrets *secrets;
    tbk_image_facts image, outbound_image; /* the engine's; that of what goes off-site */
} tbk_deployment;

/* Our folders on the VM. */
typedef enum tbk_directory_use {
    TBK_DIRECTORY_ALWAYS,
    TBK_DIRECTORY_OFFSITE,
    TBK_DIRECTORY_WINDOW /* the mode */
} tbk_directory_use;

typedef struct tbk_directory {
    const char *path;
    mode_t mode;
    unsigned owner; /* user and group */
    tbk_directory_use use;
} tbk_directory;

#define TBK_DIRECTORIES 5
extern const tbk_directory tbk_directories[TBK_DIRECTORIES];

/* --- what was found --- */

/* What does not apply to a kind of item is the same in what is wanted and in what was found. */
typedef struct tbk_item_state {
    bool exists;
    mode_t mode;
    bool is_owned; /* by whom it is to be: root:root, but for a folder of another owner */
    tbk_digest digest;
} tbk_item_state;

typedef struct tbk_found {
    tbk_item_state directories[TBK_DIRECTORIES];
    tbk_item_state files[TBK_INSTALLED_FILES_MAX]; /* as rendering->files, then secrets->files */
    bool has_image, has_outbound_image;            /* those of these very tags */
    bool has_outbound;       /* a container of it, in whatever state, or secrets of it */
    bool has_sidecar;        /* a container of it, in whatever state */
    const char *window_file; /* one that only the mode window has; "" = none is there */
} tbk_found;

/* What a service that runs all the time needs; the VM says it, by its compose file. */
typedef enum tbk_service_step {
    TBK_SERVICE_IN_PLACE, /* it runs, as it is configured */
    TBK_SERVICE_TO_START, /* it is to be started, or made anew */
    TBK_SERVICE_WAITS     /* what it would work on is not there yet */
} tbk_service_step;

/* --- the items --- */

typedef enum tbk_item_kind {
    TBK_ITEM_DIRECTORY,
    TBK_ITEM_IMAGE,
    TBK_ITEM_WINDOW, /* of the mode window: all that a change to the other mode removes */
    TBK_ITEM_FILE,
    TBK_ITEM_SIDECAR, /* of the mode sidecar: its container */
    TBK_ITEM_OUTBOUND /* what goes off-site: its container; removed with its secrets */
} tbk_item_kind;

const char *tbk_item_kind_name(tbk_item_kind kind); /* "directory", "image", ... */

typedef enum tbk_action {
    TBK_ACTION_NONE,
    TBK_ACTION_CREATE,
    TBK_ACTION_CHANGE,
    TBK_ACTION_REMOVE,
    TBK_ACTION_WAIT /* for the tracker: a later `configure` does it */
} tbk_action;

typedef struct tbk_item {
    tbk_item_kind kind;
    const char *path; /* on the VM; of an image its tag, of the rest what it is, for people */
    const tbk_rendered_file *file; /* what a file is to hold; NULL: it is no file */
    tbk_item_state wanted;
    tbk_item_state found;
    tbk_action action;
    const char *reason;   /* what is there, or comes there, for people; "" = nothing to say */
    const char *evidence; /* of the maintenance window: one of its files; NULL for the rest */
} tbk_item;

#define TBK_ITEMS_MAX (TBK_DIRECTORIES + TBK_INSTALLED_FILES_MAX + 5)

typedef struct tbk_items {
    tbk_item list[TBK_ITEMS_MAX]; /* in the order in which they are applied */
    size_t count;
} tbk_items;

/* The list. A service is judged by whether there is one, until it is looked at. Text lives in the
 * arena, or is the deployment's and that of what was found. */
void tbk_items_of(tbk_arena *arena, const tbk_deployment *deployment, const tbk_found *found,
                  tbk_items *out);

/* Whether it is a service that is to run. */
bool tbk_item_is_service(const tbk_item *item);
/* A service's item once the VM has said what it needs. */
void tbk_item_take_step(tbk_item *item, tbk_service_step step);

/* Whether something on the VM changes when the item is applied. */
bool tbk_item_is_change(const tbk_item *item);

/*
 * What of files and image is not as it is wanted, and what to do, in one sentence; NULL = nothing.
 * The image is left out when Docker does not answer.
 */
const char *tbk_items_drift(tbk_arena *arena, const tbk_items *items, bool docker_answers);

/* What the other mode left, and what to do, in one sentence; NULL = nothing. */
const char *tbk_items_other_mode(tbk_arena *arena, const tbk_items *items);

#endif

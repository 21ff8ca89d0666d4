/* SPDX-License-Identifier: MIT */
/* The container images that were built with this product (plugin/image/build). */
#ifndef TBK_COMMANDS_IMAGE_H
#define TBK_COMMANDS_IMAGE_H

#include "base/value.h"
#include "domain/deployment.h"

typedef struct tbk_image {
    const char *id;  /* SHA-256 of the image's configuration */
    const char *tag; /* "torrust-backup-engine:<first 12 of the id>" */
    tbk_architecture architecture;
    const char *tarball_path;
    uint64_t size_bytes; /* of the tarball */
    tbk_digest digest;   /* of the tarball */
} tbk_image;

#define TBK_ENGINE_IMAGE "torrust-backup-engine"
#define TBK_OUTBOUND_IMAGE "torrust-backup-outbound"

/* Reads the description next to the tarball. Fails with TBK_E_CONFIG (a broken installation). */
bool tbk_image_read(tbk_arena *arena, const char *data_path, const char *name, tbk_image *out,
                    tbk_error *err) TBK_MUST_CHECK;

#endif

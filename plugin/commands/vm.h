/* SPDX-License-Identifier: MIT */
/* A deployment and the way to its VM: what each verb that goes there works with. */
#ifndef TBK_COMMANDS_VM_H
#define TBK_COMMANDS_VM_H

#include "commands/image.h"
#include "commands/workspace.h"
#include "ports/remote.h"
#include "render/render.h"

typedef struct tbk_vm {
    const tbk_workspace *workspace;
    const tbk_rendering *rendering;
    const tbk_secrets *secrets;
    const tbk_image *image, *outbound_image;
    const tbk_remote *remote;
    const tbk_report *report;
} tbk_vm;

static inline tbk_mode tbk_vm_mode(const tbk_vm *vm) { return vm->workspace->options.mode; }

static inline tbk_deployment tbk_vm_deployment(const tbk_vm *vm)
{
    return (tbk_deployment){
        .options = &vm->workspace->options,
        .rendering = vm->rendering,
        .secrets = vm->secrets,
        .image = {vm->image->tag, vm->image->size_bytes},
        .outbound_image = {vm->outbound_image->tag, vm->outbound_image->size_bytes}};
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A complete host: loads the plugin, runs one verb, prints the result.
 *
 * Build: cc -o host host.c -ldl
 * Use:   ./host /usr/lib/x86_64-linux-gnu/torrust-backup/torrust_backup.so status my-env
 * /path/to/workspace A test compiles and runs this file (tests/abi/host.bats).
 */
#include <torrust_backup/plugin_v1.h>

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static void on_step_started(void *user, uint32_t number, uint32_t total, const char *title)
{
    (void)user;
    fprintf(stderr, "[%u/%u] %s...\n", number, total, title);
}

static void on_log(void *user, int32_t level, const char *phase, const char *message)
{
    (void)user;
    if (level <= TBK_LEVEL_INFO)
        fprintf(stderr, "      %s: %s\n", phase, message);
}

/* The plugin stays loaded until the process ends. */
static const tbk_plugin_v1 *load(const char *path)
{
    tbk_plugin_get_v1_function get = NULL;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *symbol = library != NULL ? dlsym(library, "tbk_plugin_get_v1") : NULL;

    if (symbol == NULL) {
        fprintf(stderr, "cannot load the plugin: %s\n", dlerror());
        return NULL;
    }
    memcpy(&get, &symbol, sizeof get);
    if (get()->abi_version != TBK_ABI_VERSION) {
        fprintf(stderr, "the plugin speaks version %u, this host %u\n", get()->abi_version,
                TBK_ABI_VERSION);
        return NULL;
    }
    return get();
}

int main(int argc, char **argv)
{
    static char result[1 << 20];
    tbk_error_v1 error = {.struct_size = sizeof error};

    if (argc < 4) {
        fprintf(stderr, "Usage: %s PLUGIN VERB ENVIRONMENT [WORKING_DIR]\n", argv[0]);
        return 2;
    }
    const tbk_plugin_v1 *plugin = load(argv[1]);
    if (plugin == NULL)
        return 1;
    const tbk_host_v1 host = {.struct_size = sizeof host,
                              .abi_version = TBK_ABI_VERSION,
                              .step_started = on_step_started,
                              .log = on_log};
    const tbk_request_v1 request = {.struct_size = sizeof request,
                                    .verb = argv[2],
                                    .environment = argv[3],
                                    .working_dir = argc > 4 ? argv[4] : NULL};

    int status = plugin->run(&request, &host, result, sizeof result, NULL, &error);
    fputs(result, stdout);
    if (error.exit_status != 0)
        fprintf(stderr, "%s\nTip: %s\n", error.message, error.tip);
    return status;
}

/* SPDX-License-Identifier: MIT */
/*
 * Trials of the capture: many copies of live databases, each verified row by row. The script
 * `capture` beside this file runs it, and explains the options.
 */
#include "trials/kill.h"
#include "trials/self_check.h"

#include "base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#define TRIAL_LIMIT_S 120
#define RIGHT_PERCENT_LEAST 95
#define REASONS_MOST 20

typedef struct options {
    const char *method, *variant, *engine;
    bool kills, verbose;
    uint64_t count, first;
    stage stage;
} options;

/* Why trials were not right, or not at once, and how many. */
typedef struct reason {
    char text[200];
    int count;
} reason;

typedef struct tally {
    int of[3]; /* by verdict */
    int midway;
    reason reasons[REASONS_MOST];
    int reason_count;
} tally;

static const char *const verdicts[] = {"right", "WRONG", "gave up"};

/* --- options --- */

static bool parse_number(const char *text, uint64_t most, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    *out = number;
    return errno == 0 && end != text && *end == '\0' && number <= most && text[0] != '-';
}

static bool take_option(int option, const char *value, options *out)
{
    uint64_t size_mb;
    switch (option) {
    case 'm':
        out->method = value;
        return true;
    case 'b':
        out->variant = value;
        return true;
    case 'e':
        out->engine = value;
        return true;
    case 'd':
        out->stage.folder = value;
        return true;
    case 'v':
        out->verbose = true;
        return true;
    case 'k':
        out->kills = true;
        return parse_number(value, 1000000, &out->count) && out->count > 0;
    case 'n':
        return parse_number(value, 1000000, &out->count) && out->count > 0;
    case 'f':
        return parse_number(value, 1000000, &out->first);
    case 's':
        return parse_number(value, UINT64_MAX, &out->stage.seed);
    case 'S':
        out->stage.size_bytes = parse_number(value, 100000, &size_mb) ? (int64_t)size_mb << 20 : 0;
        return out->stage.size_bytes > 0;
    default:
        return false;
    }
}

static bool parse_options(int argc, char **argv, options *out)
{
    static const struct option known[] = {
        {"method", required_argument, NULL, 'm'},
        {"variant", required_argument, NULL, 'b'},
        {"engine", required_argument, NULL, 'e'},
        {"folder", required_argument, NULL, 'd'},
        {"verbose", no_argument, NULL, 'v'},
        {"kill", required_argument, NULL, 'k'},
        {"count", required_argument, NULL, 'n'},
        {"first", required_argument, NULL, 'f'},
        {"seed", required_argument, NULL, 's'},
        {"size", required_argument, NULL, 'S'},
        {NULL, 0, NULL, 0},
    };
    *out = (options){.method = "hot", .count = 20, .stage = {.seed = 1, .size_bytes = 12 << 20}};
    for (int option; (option = getopt_long(argc, argv, "v", known, NULL)) != -1;)
        if (!take_option(option, optarg, out))
            return false;
    return optind == argc && out->stage.folder != NULL && (!out->kills || out->engine != NULL) &&
           (out->kills || method_find(out->method, out->variant) != NULL);
}

/* --- counting --- */

/* Numbers and paths differ from trial to trial; without them, equal reasons are equal. */
static void without_particulars(const outcome *of, const char *folder, char *out, size_t size)
{
    size_t length = (size_t)snprintf(out, size, "%s: ", tbk_error_name(of->why.code));
    for (const char *at = of->why.message; *at != '\0' && length + 1 < size;) {
        if (strncmp(at, folder, strlen(folder)) == 0) {
            at += strlen(folder) + 1;
        } else if (isdigit((unsigned char)*at)) {
            at += strspn(at, "0123456789");
            out[length++] = 'N';
        } else {
            out[length++] = *at++;
        }
    }
    out[length] = '\0';
}

static void count_reason(tally *self, const outcome *of, const char *folder)
{
    char text[sizeof self->reasons->text];
    int i = 0;
    without_particulars(of, folder, text, sizeof text);
    while (i < self->reason_count && strcmp(self->reasons[i].text, text) != 0)
        i++;
    if (i == REASONS_MOST)
        return;
    if (i == self->reason_count)
        memcpy(self->reasons[self->reason_count++].text, text, sizeof text);
    self->reasons[i].count++;
}

static void show_trial(const options *of, uint64_t number, const outcome *is, int64_t took_ms)
{
    const char *name = of->variant != NULL ? of->variant : of->kills ? "kill" : of->method;
    bool expected = is->verdict == RIGHT || of->variant != NULL;
    if (!of->verbose && expected && isatty(STDERR_FILENO))
        (void)fprintf(stderr, "\r%s: trial %llu\033[K", name, (unsigned long long)number);
    if (!of->verbose && expected)
        return;
    (void)printf("%s: trial %llu, seed %llu, %s: %s in %lld ms, tries: %d%s%s\n", name,
                 (unsigned long long)number, (unsigned long long)of->stage.seed, is->kind,
                 verdicts[is->verdict], (long long)took_ms, is->tries,
                 is->why.code == TBK_E_OK ? "" : ": ", is->why.message);
}

static void show_summary(const options *of, const tally *is, int64_t took_ms)
{
    if (!of->verbose && isatty(STDERR_FILENO))
        (void)fprintf(stderr, "\r\033[K");
    (void)printf("%s%s%s: %d right / %d wrong / %d gave up in %lld s",
                 of->kills ? "kill" : of->method, of->variant != NULL ? ", " : "",
                 of->variant != NULL ? of->variant : "", is->of[RIGHT], is->of[WRONG],
                 is->of[GAVE_UP], (long long)took_ms / 1000);
    if (of->kills)
        (void)printf("; %d killed midway", is->midway);
    (void)printf("\n");
    for (int i = 0; i < is->reason_count; i++)
        (void)printf("    %d x %s\n", is->reasons[i].count, is->reasons[i].text);
}

/* A broken way must be seen: as a wrong copy, or by the product's own checks. */
static bool is_good(const options *of, const tally *is)
{
    if (of->variant == NULL)
        return is->of[WRONG] == 0 &&
               (uint64_t)is->of[RIGHT] * 100 >= of->count * RIGHT_PERCENT_LEAST;
    bool product_checks = strcmp(of->variant, "second-descriptor") == 0;
    (void)printf("    seen %d times by the trials' verifier, %d times by the product's checks\n",
                 is->of[WRONG], is->of[GAVE_UP]);
    return is->of[WRONG] > 0 || (product_checks && is->of[GAVE_UP] > 0);
}

/* --- running --- */

static void run_trials(const options *of, int64_t typical_ms, tally *out)
{
    const method *by = of->kills ? NULL : method_find(of->method, of->variant);
    for (uint64_t number = of->first; number < of->first + of->count; number++) {
        outcome is;
        bool midway = false;
        int64_t started_ms = tbk_clock_monotonic_ms();
        (void)alarm(TRIAL_LIMIT_S); /* its default ends the process, and with it all others */
        if (by != NULL)
            trial_run(&of->stage, by, number, &is);
        else
            kill_run(&of->stage, of->engine, typical_ms, number, &midway, &is);
        show_trial(of, number, &is, tbk_clock_monotonic_ms() - started_ms);
        out->of[is.verdict]++;
        out->midway += midway;
        if (is.why.code != TBK_E_OK)
            count_reason(out, &is, of->stage.folder);
    }
}

int main(int argc, char **argv)
{
    options of;
    tally is = {.of = {0}};
    tbk_error err;
    int64_t typical_ms = 0;
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (!parse_options(argc, argv, &of)) {
        (void)fputs("capture: wrong usage; see tests/trials/capture --help\n", stderr);
        return 2;
    }
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return 1;
    int64_t started_ms = tbk_clock_monotonic_ms();
    bool ready = self_check(of.stage.folder, &err) &&
                 (!of.kills || kill_measure(&of.stage, of.engine, &typical_ms, &err));
    if (!ready) {
        (void)fprintf(stderr, "capture: before the trials: %s\n", err.message);
        return 1;
    }
    run_trials(&of, typical_ms, &is);
    show_summary(&of, &is, tbk_clock_monotonic_ms() - started_ms);
    return is_good(&of, &is) ? 0 : 1;
}

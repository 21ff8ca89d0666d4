/* SPDX-License-Identifier: MIT */
/* What a capture would do, as far as a kind of database can tell without doing it. */
#ifndef TBK_DATABASE_FORECAST_H
#define TBK_DATABASE_FORECAST_H

#include "base/value.h"
#include "database/disk_speed.h"
#include "domain/options.h"

/* How a database is, or was, copied. The first ones are tbk_method's, by value. */
typedef enum tbk_capture_method {
    TBK_CAPTURE_NONE, /* nothing was copied */
    TBK_CAPTURE_HOT,
    TBK_CAPTURE_REFLINK,
    TBK_CAPTURE_SNAPSHOT,
    TBK_CAPTURE_PAUSE,
    TBK_CAPTURE_STOP,
    TBK_CAPTURE_LOCKED /* SQLite by hand: its own locks; cannot be asked for */
} tbk_capture_method;

/* As manifests and records have it; NULL: nothing was copied. */
const char *tbk_capture_method_name(tbk_capture_method method);
/* What was asked for by name; TBK_CAPTURE_NONE for auto. */
tbk_capture_method tbk_capture_method_of(tbk_method method);

typedef struct tbk_forecast_request {
    const char *folder;      /* the store, or where it will be made */
    tbk_method method;       /* as configured */
    const char *environment; /* NULL by hand, where no hook holds the tracker */
    bool holds_nothing;      /* only what holds nothing is to be had: the sidecar */
    const tbk_report *report;
} tbk_forecast_request;

/* One way of capturing, in the order in which `auto` tries them. */
typedef struct tbk_forecast_method {
    tbk_capture_method method;
    bool possible;
    const char *reason; /* why not; "" where it is */
} tbk_forecast_method;

#define TBK_FORECAST_RUNGS_MAX 4
#define TBK_FORECAST_HELD_UNKNOWN (-1)

typedef struct tbk_forecast {
    tbk_value *database; /* what is there; a member of docs/schemas/plan.schema.json */
    uint64_t copy_bytes; /* the database with its journal or log */
    bool stages_copy;    /* which needs room beside the set */
    tbk_forecast_method methods[TBK_FORECAST_RUNGS_MAX];
    size_t method_count;
    tbk_capture_method method; /* the one that a run would take; a forced one also if impossible */
    int64_t expected_held_ms;  /* 0 where nothing is held; TBK_FORECAST_HELD_UNKNOWN */
    tbk_disk_speed speed;      /* measured only where a copy is waited for */
    /* How less would be held, a clause; NULL: the best way is possible and holds nothing. */
    const char *remedy;
} tbk_forecast;

/* why_not: NULL where it is possible. Text is borrowed. */
void tbk_forecast_add(tbk_forecast *forecast, tbk_capture_method method, const char *why_not);
/* What `auto` takes: the first that is possible, else the last. */
tbk_capture_method tbk_forecast_best(const tbk_forecast *forecast);
/* Why the method would fail; NULL when it would not. */
const char *tbk_forecast_why_not(const tbk_forecast *forecast, tbk_capture_method method);
/* Whether the tracker stands still while all is copied. */
bool tbk_forecast_holds(tbk_capture_method method);

#endif

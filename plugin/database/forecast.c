/* SPDX-License-Identifier: MIT */
/* Ways of capturing, and which of them is the best one. */
#include "database/forecast.h"

const char *tbk_capture_method_name(tbk_capture_method method)
{
    if (method == TBK_CAPTURE_NONE)
        return NULL;
    return method == TBK_CAPTURE_LOCKED ? "locked" : tbk_method_name((tbk_method)method);
}

_Static_assert((int)TBK_CAPTURE_NONE == (int)TBK_METHOD_AUTO, "the first ones are tbk_method's");
_Static_assert((int)TBK_CAPTURE_HOT == (int)TBK_METHOD_HOT, "the first ones are tbk_method's");
_Static_assert((int)TBK_CAPTURE_SNAPSHOT == (int)TBK_METHOD_SNAPSHOT, "and in its order");
_Static_assert((int)TBK_CAPTURE_STOP == (int)TBK_METHOD_STOP, "and in its order");

tbk_capture_method tbk_capture_method_of(tbk_method method) { return (tbk_capture_method)method; }

void tbk_forecast_add(tbk_forecast *forecast, tbk_capture_method method, const char *why_not)
{
    forecast->methods[forecast->method_count++] = (tbk_forecast_method){
        .method = method, .possible = why_not == NULL, .reason = why_not != NULL ? why_not : ""};
}

tbk_capture_method tbk_forecast_best(const tbk_forecast *forecast)
{
    size_t i = 0;
    while (i + 1 < forecast->method_count && !forecast->methods[i].possible)
        i++;
    return forecast->methods[i].method;
}

const char *tbk_forecast_why_not(const tbk_forecast *forecast, tbk_capture_method method)
{
    for (size_t i = 0; i < forecast->method_count; i++)
        if (!forecast->methods[i].possible && forecast->methods[i].method == method)
            return forecast->methods[i].reason;
    return NULL;
}

bool tbk_forecast_holds(tbk_capture_method method)
{
    return method == TBK_CAPTURE_PAUSE || method == TBK_CAPTURE_STOP;
}

/* SPDX-License-Identifier: MIT */
/* Ways of capturing, and which of them is the best one. */
#include "engine/forecast.h"

#include <string.h>

void tbk_forecast_add(tbk_forecast *forecast, const char *method, const char *why_not)
{
    forecast->rungs[forecast->rung_count++] = (tbk_forecast_rung){
        .method = method, .possible = why_not == NULL, .reason = why_not != NULL ? why_not : ""};
}

const char *tbk_forecast_best(const tbk_forecast *forecast)
{
    size_t i = 0;
    while (i + 1 < forecast->rung_count && !forecast->rungs[i].possible)
        i++;
    return forecast->rungs[i].method;
}

const char *tbk_forecast_why_not(const tbk_forecast *forecast, const char *method)
{
    for (size_t i = 0; i < forecast->rung_count; i++)
        if (!forecast->rungs[i].possible && strcmp(forecast->rungs[i].method, method) == 0)
            return forecast->rungs[i].reason;
    return NULL;
}

bool tbk_forecast_holds(const char *method)
{
    return strcmp(method, tbk_method_name(TBK_METHOD_PAUSE)) == 0 ||
           strcmp(method, tbk_method_name(TBK_METHOD_STOP)) == 0;
}

/* SPDX-License-Identifier: MIT */
/* Ways of capturing, and which of them is the best one. */
#include "database/forecast.h"

#include <string.h>

void tbk_forecast_add(tbk_forecast *forecast, const char *method, const char *why_not)
{
    forecast->methods[forecast->method_count++] = (tbk_forecast_method){
        .method = method, .possible = why_not == NULL, .reason = why_not != NULL ? why_not : ""};
}

const char *tbk_forecast_best(const tbk_forecast *forecast)
{
    size_t i = 0;
    while (i + 1 < forecast->method_count && !forecast->methods[i].possible)
        i++;
    return forecast->methods[i].method;
}

const char *tbk_forecast_why_not(const tbk_forecast *forecast, const char *method)
{
    for (size_t i = 0; i < forecast->method_count; i++)
        if (!forecast->methods[i].possible && strcmp(forecast->methods[i].method, method) == 0)
            return forecast->methods[i].reason;
    return NULL;
}

bool tbk_forecast_holds(const char *method)
{
    return strcmp(method, tbk_method_name(TBK_METHOD_PAUSE)) == 0 ||
           strcmp(method, tbk_method_name(TBK_METHOD_STOP)) == 0;
}

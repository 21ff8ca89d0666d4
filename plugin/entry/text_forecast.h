/* SPDX-License-Identifier: MIT */
/* The forecast of a capture as people read it: by the engine, and by the command line. */
#ifndef TBK_ENTRY_TEXT_FORECAST_H
#define TBK_ENTRY_TEXT_FORECAST_H

#include "base/value.h"

#include <stdio.h>

/* forecast: docs/schemas/plan.schema.json. What is missing in it is left out. */
void tbk_forecast_print(FILE *out, const tbk_value *forecast);

#endif

/* SPDX-License-Identifier: MIT */
/* Calls that this project never makes; using one fails to compile. Forced into every file. */
#ifndef TBK_BASE_BANNED_H
#define TBK_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat sprintf vsprintf gets strtok system popen gmtime localtime ctime
#pragma GCC poison mktemp tmpnam atoi atol atoll

#endif

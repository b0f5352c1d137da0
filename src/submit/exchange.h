/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The last exchange with a server that did not end well, for people: state/REPORT.zip.exchange, or
 * REPORT.zip.BACKEND.exchange. Without what was sent, and without secrets: no query and no user of
 * a URL, no cookie, no token, and no body but that of a refusal or of an answer that made no sense.
 */
#pragma once

#include "submit/backend.h"
#include "submit/http.h"

/* A failure to write it is logged, and ignored. */
void exchange_save(const struct delivery *d, const struct http_request *request,
                   const struct http_answer *answer);

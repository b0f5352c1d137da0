/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whose the kdump folder is: the user that submits, who needs no privileges then. */
#pragma once

#include "spool/spool.h"

#define SPOOL_USER "kdump-steamos"

/* As root, and where the folder is root's: gives it, its folders of reports, its reports and its
 * state to SPOOL_USER, if /etc/passwd has that user. The captures of crashes and the capture
 * images, which root trusts, stay root's. Cut off, it is done again by the next run: the folder
 * itself goes last. Logs nothing above debug; without owners (vfat) all stays as it is. */
void spool_hand_over(const struct root *root, const struct spool *spool);

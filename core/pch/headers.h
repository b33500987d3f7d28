/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What most of our files include, compiled once a program where the option b_pch is on, as
 * ./dev test has it. No file may depend on that: each includes what it uses, and b_pch
 * is off by default. */
#ifndef MOSS_PCH_HEADERS_H
#define MOSS_PCH_HEADERS_H

#if __has_include(<gtk/gtk.h>)
#include <gtk/gtk.h>
#elif __has_include(<gio/gio.h>)
#include <gio/gio.h>
#else
#include <glib.h>
#endif

/* GLib's default, in a form that a file may still define as its own. */
#undef G_LOG_DOMAIN
static const char *const G_LOG_DOMAIN __attribute__ ((unused)) = NULL;

#endif

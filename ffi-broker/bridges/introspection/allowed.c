// SPDX-License-Identifier: GPL-3.0-or-later
/* The functions of typelibs that may be called: these and no others.
 *
 * Policy: a function stands here when a person has read what it does. It computes its result
 * from its arguments alone: it opens, names, writes and deletes no file, starts no program,
 * talks to nobody, keeps no state, calls nothing back, takes no pointer to anything but the data
 * it is given, and ends in a time that the data's size bounds. It is something that a person or
 * a program would ask for by what it does, and is named so: no part of a library's own workings. */
#include "ffi-broker/bridges/introspection/allowed.h"

#define BYTES "application/octet-stream"
#define TEXT "text/plain"
#define DIGEST(name) "hash " name "(" BYTES ") -> application/x-moss-digest"
#define VALUE(type) "application/x-moss-value,type=" type

const Allowed introspection_allowed[] = {
  { "GLib", "compute_checksum_for_bytes", "=0 bytes", DIGEST ("md5"), TRUE },
  { "GLib", "compute_checksum_for_bytes", "=1 bytes", DIGEST ("sha1"), TRUE },
  { "GLib", "compute_checksum_for_bytes", "=2 bytes", DIGEST ("sha256"), TRUE },
  { "GLib", "compute_checksum_for_bytes", "=3 bytes", DIGEST ("sha512"), TRUE },
  { "GLib", "compute_checksum_for_bytes", "=4 bytes", DIGEST ("sha384"), TRUE },
  { "GLib", "base64_encode", "data length", "encode base64(" BYTES ") -> " TEXT, TRUE },
  { "GLib", "utf8_strup", "text =-1", "transform upper(" TEXT ") -> " TEXT, TRUE },
  { "GLib", "utf8_strdown", "text =-1", "transform lower(" TEXT ") -> " TEXT, TRUE },
  { "GLib", "utf8_casefold", "text =-1", "transform casefold(" TEXT ") -> " TEXT, TRUE },
  { "GLib", "utf8_normalize", "text =-1 =1", "transform normalize(" TEXT ") -> " TEXT, TRUE },
  { "GLib", "utf8_strreverse", "text =-1", "transform reverse(" TEXT ") -> " TEXT, TRUE },
  { "GLib", "markup_escape_text", "text =-1", "encode markup(" TEXT ") -> " TEXT, TRUE },
  { "GLib", "uri_escape_string", "text null =0", "encode uri(" TEXT ") -> " TEXT, TRUE },
  { "GLib", "uri_unescape_string", "text null", "decode uri(" TEXT ") -> " TEXT, TRUE },
  { "GLib", "utf8_strlen", "text =-1", "reduce count-characters(" TEXT ") -> " VALUE ("x"), TRUE },
  { "GLib", "str_to_ascii", "text :locale", "transform ascii(" TEXT ";locale:s) -> " TEXT, TRUE },
  { "GLib", "uuid_string_random", "", "generate uuid() -> " VALUE ("s"), FALSE },
};

const guint introspection_n_allowed = G_N_ELEMENTS (introspection_allowed);

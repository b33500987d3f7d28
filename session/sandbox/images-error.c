/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "criu.h"
#include "image-check.h"
#include "layer.h"

G_DEFINE_QUARK (moss - criu - error - quark, moss_criu_error)
G_DEFINE_QUARK (moss - image - error - quark, moss_image_error)
G_DEFINE_QUARK (moss - layer - error - quark, moss_layer_error)

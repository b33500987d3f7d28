// SPDX-License-Identifier: GPL-3.0-or-later
/* What picture libraries are asked for, in the same words for all of them: offers compare only
 * where capability and quality do. Options that aren't marked with "?" must be given. */
#pragma once

#define RASTER "video/x-raw,format={RGB,RGBA}"

#define DECODE(media) "decode(" media ") -> " RASTER
#define CAPABILITY_DECODE_PNG DECODE ("image/png")
#define CAPABILITY_DECODE_JPEG DECODE ("image/jpeg")
#define CAPABILITY_DECODE_WEBP DECODE ("image/webp")
#define CAPABILITY_DECODE_TIFF DECODE ("image/tiff")
#define CAPABILITY_DECODE_GIF DECODE ("image/gif")
#define CAPABILITY_DECODE_BMP DECODE ("image/bmp")

#define CAPABILITY_ENCODE_PNG "encode(" RASTER ";level:i?) -> image/png"
#define CAPABILITY_ENCODE_JPEG "encode(" RASTER ";quality:i?) -> image/jpeg"
#define CAPABILITY_ENCODE_WEBP "encode(" RASTER ";quality:i?,lossless:b?) -> image/webp"
#define CAPABILITY_ENCODE_TIFF "encode(" RASTER ") -> image/tiff"
#define CAPABILITY_ENCODE_BMP "encode(" RASTER ") -> image/bmp"

#define OF_RASTER(what, options) what "(" RASTER ";" options ") -> " RASTER
#define CAPABILITY_CROP OF_RASTER ("transform crop", "left:i,top:i,width:i,height:i")
#define CAPABILITY_SHRINK OF_RASTER ("transform shrink", "width:i,height:i")
#define CAPABILITY_FLIP OF_RASTER ("transform flip", "direction:s")
#define CAPABILITY_ROTATE OF_RASTER ("transform rotate", "angle:i")
#define CAPABILITY_BLUR OF_RASTER ("filter blur", "sigma:d?")
#define CAPABILITY_SHARPEN OF_RASTER ("filter sharpen", "sigma:d?,amount:d?")
#define CAPABILITY_INVERT "filter invert(" RASTER ") -> " RASTER

/* The same words for the same result. Where an option asks for another, the words follow it. */
#define QUALITY_EXACT "exact"
#define QUALITY_DECODED "full size, 8 bit"
#define QUALITY_PNG "lossless, level 6"
#define QUALITY_JPEG "quality 90, 4:2:0"
#define QUALITY_WEBP "quality 80"
#define QUALITY_LOSSLESS "lossless"
#define QUALITY_AREA "average of the area, 8 bit"
#define QUALITY_GAUSS "Gaussian, 8 bit"
#define QUALITY_UNSHARP "unsharp mask, 8 bit"

#define DEFAULT_PNG_LEVEL 6
#define DEFAULT_JPEG_QUALITY 90
#define DEFAULT_WEBP_QUALITY 80
#define DEFAULT_BLUR_SIGMA 2.0
#define DEFAULT_SHARPEN_SIGMA 1.0
#define DEFAULT_SHARPEN_AMOUNT 0.5
#define SIGMA_MAX 100.0

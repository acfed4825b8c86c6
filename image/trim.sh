# Take from a virtual environment what the image never runs: sh -eu trim.sh FOLDER.
# What is not where it was, after the lock was renewed, ends the build.
packages=$(echo "$1"/lib/python*/site-packages)

# Tests (a fifth of it all), type stubs, headers, and the commands of libraries.
find "$packages" -depth -type d \( -name tests -o -name include \) \
    ! -path '*.dist-info/*' -exec rm -r {} +
find "$packages" -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.a' \) -delete
find "$1/bin" -mindepth 1 ! -name 'python*' -delete

# botocore describes hundreds of services; these are used, by us or in finding credentials.
find "$packages/botocore/data" -mindepth 1 -maxdepth 1 -type d \
    ! -name batch ! -name dynamodb ! -name events ! -name s3 ! -name sqs \
    ! -name signin ! -name sso ! -name sso-oidc ! -name sts \
    -exec rm -r {} +

# The largest codecs of imagecodecs that no TIFF asks for; it reads TIFF and JPEG 2000 here.
for codec in avif bcn blosc2 cfitsio czi exr htj2k pcodec rgbe sperr spng sz3 szip tiff ultrahdr; do
    rm "$packages/imagecodecs/_$codec.abi3.so"
done
for library in aom avif blosc2 cpcodec Imath OpenEXRCore openjph SPERR SZ3c sz tiff uhdr; do
    rm "$packages/imagecodecs.libs/lib$library"-*
done

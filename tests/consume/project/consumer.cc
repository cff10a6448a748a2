// What a program that uses an installed wpack looks like.
#include <wpack/wpack.h>

#include <cstdio>

int main() {
  const wpack::DTypeInfo* bf16 = wpack::find_dtype_by_name("BF16");
  if (bf16 == nullptr || bf16->bits != 16) return 1;
  std::printf("wpack %s\n", wpack::version().data());
  return 0;
}

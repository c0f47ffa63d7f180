;; The inside of a component: what copy.wat is at the core door.
;; Memory: what it gives back at 4096, origins from 64 KiB, arguments from 16 MiB on: each call overwrites the last one's.
(module
  (memory (export "memory") 257)
  (global $next (mut i32) (i32.const 0x1000000))
  (func (export "cabi_realloc") (param i32 i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32) (local $pages i32)
    (local.set $at (i32.and
      (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
    (global.set $next (i32.add (local.get $at) (local.get $size)))
    (local.set $pages (i32.sub
      (i32.shr_u (i32.add (global.get $next) (i32.const 0xffff)) (i32.const 16))
      (memory.size)))
    (if (i32.gt_s (local.get $pages) (i32.const 0))
      (then (if (i32.eq (memory.grow (local.get $pages)) (i32.const -1)) (then unreachable))))
    (local.get $at))

  (func (export "edgemill:transform/transformer@1.0.0#configure") (param i32 i32) (result i32)
    (global.set $next (i32.const 0x1000000))
    (i32.const 4096))

  (func (export "edgemill:transform/transformer@1.0.0#transform") (param $batch i32) (result i32)
    (local $count i32) (local $i i32)
    (global.set $next (i32.const 0x1000000))
    (memory.fill (i32.const 4096) (i32.const 0) (i32.const 132))
    (local.set $count (i32.load offset=16 (local.get $batch)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $count)))
        (i32.store (i32.add (i32.const 0x10000) (i32.shl (local.get $i) (i32.const 2))) (local.get $i))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (i32.store (i32.const 4100) (i32.const 0x10000)) ;; origins
    (i32.store (i32.const 4104) (local.get $count))
    (i32.store8 (i32.const 4140) (i32.const 1)) ;; values: data, lengths
    (i32.store (i32.const 4144) (i32.load offset=44 (local.get $batch)))
    (i32.store (i32.const 4148) (i32.load offset=48 (local.get $batch)))
    (i32.store (i32.const 4152) (i32.load offset=52 (local.get $batch)))
    (i32.store (i32.const 4156) (i32.load offset=56 (local.get $batch)))
    (i32.const 4096)))

/**
 * What programs in Java do with a cluster, with fabric8's client and the official one.
 * Every step prints "ok NAME" or "FAIL NAME: why"; the exit code is 1 when one failed.
 */
public final class Main {
  interface Step {
    void run() throws Exception;
  }

  private static int failed = 0;

  public static void main(String[] arguments) throws Exception {
    new Fabric8().run();
    new Official().run();
    System.exit(failed > 0 ? 1 : 0);
  }

  static void step(String name, Step step) {
    try {
      step.run();
      System.out.println("ok " + name);
    } catch (Exception | AssertionError e) {
      failed++;
      System.out.println("FAIL " + name + ": " + String.valueOf(e).replace('\n', ' '));
    }
  }

  static void check(boolean holds, Object what) {
    if (!holds) {
      throw new AssertionError(what);
    }
  }
}

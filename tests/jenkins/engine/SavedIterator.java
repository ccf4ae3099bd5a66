import java.io.Serializable;
import java.util.Iterator;
import java.util.List;

/** Lets a loop over a list survive a restart. Source: workflow-cps IteratorHack.java */
public final class SavedIterator implements Iterator<Object>, Serializable {

    private static final long serialVersionUID = 1L;

    private final List<?> list;
    private int next = 0;

    private SavedIterator(List<?> list) {
        this.list = list;
    }

    /** Groovy calls it in place of List.iterator. */
    public static Iterator<?> iterator(List<?> list) {
        return new SavedIterator(list);
    }

    @Override
    public boolean hasNext() {
        return next < list.size();
    }

    @Override
    public Object next() {
        return list.get(next++);
    }

}
